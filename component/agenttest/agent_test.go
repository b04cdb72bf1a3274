package agenttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
)

// behaviour is the variable that makes this test binary a component.
const behaviour = "AGENTTEST_BEHAVIOUR"

// The component must run before the testing package reads the arguments, which
// are not its own.
func init() {
	if b := os.Getenv(behaviour); b != "" {
		os.Exit(runComponent(b))
	}
}

func runComponent(behaviour string) int {
	dir := strings.TrimPrefix(os.Args[len(os.Args)-1], "path.data=")
	fmt.Fprintln(os.Stderr, `{"log.level":"info","message":"component in `+filepath.Base(dir)+`"}`)
	if behaviour == "crash" {
		fmt.Fprint(os.Stderr, "no line break at the end")
		return 7
	}
	ctx := context.Background()
	if behaviour == "deaf" {
		signal.Ignore(syscall.SIGTERM)
	} else {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	if err := serve(ctx, os.Stdin, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serve is a component: every unit is HEALTHY with its id as message, and
// STOPPED when the agent wants that.
func serve(ctx context.Context, startUp io.Reader, seen func(client.UnitChanged)) error {
	c, _, err := client.NewV2FromReader(startUp, client.VersionInfo{Name: "component"})
	if err != nil {
		return err
	}
	if err := c.Start(ctx); err != nil {
		return err
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		c.Stop()
	}()
	for {
		select {
		case change := <-c.UnitChanges():
			if seen != nil {
				seen(change)
			}
			follow(change)
		case <-c.Errors():
		case <-stopped:
			return nil
		}
	}
}

func follow(change client.UnitChanged) {
	u := change.Unit
	if change.Type == client.UnitChangedAdded {
		u.RegisterAction(echo{})
		u.RegisterDiagnosticHook("config", "", "config.yml", "application/yaml", func() []byte { return []byte("of " + u.ID()) })
	}
	switch {
	case change.Type == client.UnitChangedRemoved:
	case u.Expected().State == client.UnitStateStopped:
		_ = u.UpdateState(client.UnitStateStopped, "done", nil)
	default:
		_ = u.UpdateState(client.UnitStateConfiguring, "", nil) // a change of state makes the library check in
		_ = u.UpdateState(client.UnitStateHealthy, "run "+u.ID(), map[string]any{"level": u.Expected().LogLevel.String()})
	}
}

type echo struct{}

func (echo) Name() string { return "echo" }

func (echo) Execute(_ context.Context, params map[string]any) (map[string]any, error) {
	if params["fail"] == true {
		return nil, errors.New("as asked")
	}
	return params, nil
}

var (
	input = agenttest.Unit{ID: "c-in", Type: client.UnitTypeInput, LogLevel: "debug", Config: map[string]any{
		"id": "in", "type": "microsoft_defender_endpoint", "name": "n", "revision": 3,
		"data_stream.namespace": "prod",
		"meta":                  map[string]any{"package": map[string]any{"name": "p", "version": "1.2.3"}},
		"streams": []any{map[string]any{
			"id": "s", "data_stream": map[string]any{"dataset": "d", "type": "logs"}, "interval": "1m",
		}},
	}}
	output = agenttest.Unit{ID: "c", Type: client.UnitTypeOutput, Config: map[string]any{"type": "elasticsearch"}}
)

func newAgent(t *testing.T, o agenttest.Options) *agenttest.Agent {
	t.Helper()
	// The client library never closes its connection, whose goroutine stays.
	t.Cleanup(func() {
		goleak.VerifyNone(t, goleak.IgnoreAnyFunction("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run"))
	})
	o.Dir = filepath.Join(t.TempDir(), "work")
	a, err := agenttest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func setUnits(t *testing.T, a *agenttest.Agent, units ...agenttest.Unit) {
	t.Helper()
	if err := a.SetUnits(units...); err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, a *agenttest.Agent, until func(agenttest.States) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := a.Wait(ctx, until); err != nil {
		t.Fatal(err)
	}
}

func healthy(s agenttest.States) bool { return s.All(client.UnitStateHealthy) }

// inProcess runs a component against the agent and passes on what was sent to it.
func inProcess(t *testing.T, a *agenttest.Agent) <-chan client.UnitChanged {
	t.Helper()
	startUp, err := a.StartUp()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan client.UnitChanged, 100), make(chan error)
	go func() { ended <- serve(ctx, startUp, func(c client.UnitChanged) { changes <- c }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return changes
}

func TestAgentUnits(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprintf("old=%t", old), func(t *testing.T) {
			a := newAgent(t, agenttest.Options{Old: old})
			setUnits(t, a, input, output)
			changes := inProcess(t, a)
			wait(t, a, healthy)

			units := map[string]*client.Unit{}
			for range 2 {
				c := <-changes
				units[c.Unit.ID()] = c.Unit
			}
			config := units["c-in"].Expected().Config
			got := []any{config.Id, config.Type, config.Name, config.Revision, config.Meta.Package.Version, config.DataStream.Namespace,
				config.Streams[0].Id, config.Streams[0].DataStream.Dataset, config.Streams[0].Source.AsMap()["interval"],
				config.Source.AsMap()["data_stream.namespace"], units["c-in"].Expected().LogLevel}
			want := []any{"in", "microsoft_defender_endpoint", "n", uint64(3), "1.2.3", "prod", "s", "d", "1m", "prod", client.UnitLogLevelDebug}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got := a.States()[input.Key()]; got.Message != "run c-in" || got.Payload["level"] != "debug" {
				t.Errorf("state of the input: %+v", got)
			}
		})
	}
}

// A change is pushed at once, and a configuration that did not change is not
// sent again.
func TestAgentConfigChange(t *testing.T) {
	a := newAgent(t, agenttest.Options{})
	setUnits(t, a, input, output)
	changes := inProcess(t, a)
	wait(t, a, healthy)
	<-changes
	<-changes

	changed := output
	changed.Config = map[string]any{"type": "elasticsearch", "hosts": []any{"https://other:9200"}}
	setUnits(t, a, input, changed)
	c := <-changes
	if c.Unit.ID() != "c" || c.Triggers != client.TriggeredConfigChange {
		t.Errorf("change of %s: %s, want config of c", c.Unit.ID(), c.Triggers)
	}
	wait(t, a, healthy)
	past := a.History(output.Key())
	if last := past[len(past)-1]; last.State != client.UnitStateHealthy || last.Message != "run c" {
		t.Errorf("last state of the output: %+v", last)
	}
}

func TestAgentRemovesUnitOnceStopped(t *testing.T) {
	a := newAgent(t, agenttest.Options{})
	setUnits(t, a, input, output)
	inProcess(t, a)
	wait(t, a, healthy)

	setUnits(t, a, output)
	wait(t, a, func(s agenttest.States) bool { return len(s) == 1 })
	past := a.History(input.Key())
	if last := past[len(past)-1]; last.State != client.UnitStateStopped || last.Message != "done" {
		t.Errorf("last state of the removed unit: %+v", last)
	}
	setUnits(t, a, input, output)
	wait(t, a, healthy)
}

func TestAgentHaltedUnit(t *testing.T) {
	a := newAgent(t, agenttest.Options{})
	setUnits(t, a, input, output)
	inProcess(t, a)
	wait(t, a, healthy)
	halted := input
	halted.Halted = true
	setUnits(t, a, halted, output)
	wait(t, a, func(s agenttest.States) bool { return s[input.Key()].State == client.UnitStateStopped })
	setUnits(t, a, input, output)
	wait(t, a, healthy)
}

func TestAgentActions(t *testing.T) {
	a := newAgent(t, agenttest.Options{})
	setUnits(t, a, input, output)
	inProcess(t, a)
	wait(t, a, healthy)

	result, err := a.PerformAction(t.Context(), input.Key(), "echo", map[string]any{"n": "v"})
	if err != nil || result["n"] != "v" {
		t.Errorf("action: %v, %v", result, err)
	}
	if _, err := a.PerformAction(t.Context(), input.Key(), "echo", map[string]any{"fail": true}); err == nil || !strings.Contains(err.Error(), "as asked") {
		t.Errorf("failing action: %v", err)
	}
	diagnostics, err := a.Diagnostics(t.Context(), input.Key())
	if err != nil || len(diagnostics) != 1 || string(diagnostics[0].Content) != "of c-in" {
		t.Errorf("diagnostics: %v, %v", diagnostics, err)
	}
	if diagnostics, err = a.ComponentDiagnostics(t.Context()); err != nil || len(diagnostics) < 4 {
		t.Errorf("component diagnostics: %d, %v", len(diagnostics), err)
	}
}

func TestAgentRefusesBadUnits(t *testing.T) {
	a := newAgent(t, agenttest.Options{})
	for name, u := range map[string]agenttest.Unit{
		"not JSON":       {ID: "x", Config: map[string]any{"d": time.Second}},
		"stream":         {ID: "x", Config: map[string]any{"streams": []any{"s"}}},
		"no such level":  {ID: "x", LogLevel: "loud"},
		"unknown object": {ID: "x", Config: map[string]any{"c": make(chan int)}},
	} {
		if err := a.SetUnits(u); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// component is this test binary as the component.
func component(t *testing.T, b string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), behaviour+"="+b)
	return cmd
}

func TestAgentProcess(t *testing.T) {
	a := newAgent(t, agenttest.Options{})
	setUnits(t, a, input, output)
	start := func() {
		t.Helper()
		if err := a.Start(t.Context(), component(t, "good")); err != nil {
			t.Fatal(err)
		}
		wait(t, a, healthy)
	}
	start()
	if err := a.Start(t.Context(), component(t, "good")); err == nil {
		t.Error("a second process was started beside the first")
	}
	a.Kill()
	if s := a.States(); !s.All(client.UnitStateStopped) && s[output.Key()].State != client.UnitStateStopped {
		t.Errorf("after kill: %v", s)
	}
	start()
	exit, err := a.Stop(t.Context())
	if err != nil || exit.Code != 0 || exit.Killed {
		t.Errorf("stop: %+v, %v", exit, err)
	}
	if log := a.Log(); len(log) != 2 || log[0] != `{"log.level":"info","message":"component in work"}` {
		t.Errorf("log: %q", log)
	}
}

func TestAgentProcessThatExits(t *testing.T) {
	a := newAgent(t, agenttest.Options{})
	setUnits(t, a, input)
	if err := a.Start(t.Context(), component(t, "crash")); err != nil {
		t.Fatal(err)
	}
	err := a.Wait(t.Context(), healthy)
	for _, want := range []string{"exited with code 7", "component in work", "no line break at the end"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if s := a.States()[input.Key()]; s.State != client.UnitStateFailed {
		t.Errorf("state after a crash: %+v", s)
	}
}

func TestAgentKillsAfterGrace(t *testing.T) {
	a := newAgent(t, agenttest.Options{Grace: 50 * time.Millisecond})
	setUnits(t, a, input)
	if err := a.Start(t.Context(), component(t, "deaf")); err != nil {
		t.Fatal(err)
	}
	wait(t, a, healthy)
	if exit, err := a.Stop(t.Context()); err == nil || !exit.Killed || exit.Duration < 50*time.Millisecond {
		t.Errorf("stop: %+v, %v", exit, err)
	}
}

func TestAgentContextEndsProcess(t *testing.T) {
	a := newAgent(t, agenttest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	if err := a.Start(ctx, component(t, "good")); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-a.Done()
}
