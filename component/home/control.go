package home

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	statusLimit  = 10 * time.Second
	restartLimit = time.Minute

	stateHealthy = 2 // elastic-agent pkg/control/v2/cproto, State
)

// report is what is read of `elastic-agent status --output json`
// (elastic-agent pkg/control/v2/client/client.go).
type report struct {
	Components []struct {
		ID      string `json:"id"`
		State   int    `json:"state"`
		Message string `json:"message"` // names the pid
		Units   []struct {
			State   int    `json:"state"`
			Message string `json:"message"`
		} `json:"units"`
	} `json:"components"`
}

// ask asks the agent for its state. The command's exit code speaks of the whole
// agent, so only the answer counts.
func (a agent) ask(ctx context.Context) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, a.executable, "status", "--output", "json").Output()
	var r report
	if wrong := json.Unmarshal(out, &r); wrong != nil {
		return report{}, fmt.Errorf("elastic-agent status: %w", errors.Join(err, wrong))
	}
	return r, nil
}

func (a agent) restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restartLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, a.executable, "restart").CombinedOutput()
	if err == nil {
		return nil
	}
	if said := firstLine(string(out)); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return fmt.Errorf("%s restart: %w; restart the agent by its service", a.executable, err)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// ours is what the agent says about the component's processes.
type ours struct {
	found   bool
	healthy bool
	process string // of all components, with their pids
	trouble string // of the first unit that is not well
}

func (r report) of(input string) ours {
	o := ours{healthy: true}
	for _, c := range r.Components {
		if !strings.HasPrefix(c.ID, input+"-") {
			continue
		}
		o.found = true
		o.process += c.Message + "\n"
		if c.State != stateHealthy {
			o.healthy = false
			o.note(c.Message)
		}
		for _, u := range c.Units {
			if u.State != stateHealthy {
				o.healthy = false
				o.note(u.Message)
			}
		}
	}
	o.healthy = o.healthy && o.found
	return o
}

func (o *ours) note(message string) {
	if o.trouble == "" {
		o.trouble = message
	}
}

// Bounds of the wait for HEALTHY.
const (
	askPeriod = 500 * time.Millisecond
	// absentFor is how long an agent that answers may not name the component before
	// that means that no input is in its policy. Agents name it 2 s after a start.
	absentFor = 15 * time.Second
)

// await waits until the component is HEALTHY in another process than before, or
// until it is clear that the policy has no input for it, which is false, nil.
func (a agent) await(ctx context.Context, input, before string, limit time.Duration) (bool, error) {
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(askPeriod)
	defer tick.Stop()
	trouble := errors.New("the agent does not answer")
	var absentSince time.Time // zero: not known to be absent
	for {
		r, err := a.ask(ctx)
		switch now := r.of(input); {
		case err != nil:
			absentSince = time.Time{}
		case now.healthy && now.process != before:
			return true, nil
		case now.found:
			absentSince = time.Time{}
			trouble = errors.New(now.trouble)
			if now.healthy {
				trouble = errors.New("the agent did not start it again")
			}
		case absentSince.IsZero():
			absentSince = time.Now()
		case time.Since(absentSince) > absentFor:
			return false, nil
		}
		select {
		case <-ctx.Done():
			if asked.Err() != nil {
				return false, asked.Err()
			}
			return false, fmt.Errorf("not HEALTHY within %s: %w; see elastic-agent status", limit, trouble)
		case <-tick.C:
		}
	}
}
