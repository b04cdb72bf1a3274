package home

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Options are what the operator asks for.
type Options struct {
	Top       string        // the agent's top folder, its executable or a home; "" looks for it
	DryRun    bool          // say what would be done
	NoRestart bool          // leave the agent running as it is
	Wait      time.Duration // for HEALTHY, at most
	Out       io.Writer     // receives a line for each thing that was done

	places places // tests have their own
}

func (o Options) find() (agent, error) {
	p := o.places
	if p.texts == nil && p.links == nil {
		p = systemPlaces()
	}
	return find(o.Top, p)
}

func (o Options) say(format string, args ...any) { fmt.Fprintf(o.Out, format+"\n", args...) }

// Install puts the component into the agent's home in use, restarts the agent,
// waits for HEALTHY where the policy has an input for it, and says how to undo it.
// An error names cause and remedy; the component is then in the home whole, or as
// it was before.
func Install(ctx context.Context, c Component, o Options) error {
	a, err := o.find()
	if err != nil {
		return err
	}
	o.describe(a)
	if err := a.fit(); err != nil {
		return err
	}
	dir := a.home.components()
	if c.same(dir) {
		o.say("already there: %s %s in %s; nothing was changed", c.Name, c.Version, dir)
		o.hints(a, c)
		if !o.NoRestart {
			o.say("the agent says: %s; it knows the component after: %s restart", a.says(ctx, c.Input), a.executable)
		}
		return nil
	}
	o.plan(ctx, c, dir)
	if o.DryRun {
		o.say("nothing was changed (--dry-run)")
		return nil
	}
	var before report
	if !o.NoRestart {
		before, _ = a.ask(ctx) // an agent that is not running has no process of ours
	}
	if err := c.place(dir); err != nil {
		return remedy(fmt.Errorf("place %s in %s: %w", c.Name, dir, err))
	}
	o.say("placed: %s %s and its spec in %s", c.Name, c.Version, dir)
	o.hints(a, c)
	if o.NoRestart {
		o.say("not restarted (--no-restart): the agent uses it after: %s restart", a.executable)
		return nil
	}
	return o.restart(ctx, a, c, before)
}

// restart restarts the agent, which knew the component as before says, and waits
// until the component is well.
func (o Options) restart(ctx context.Context, a agent, c Component, before report) error {
	if err := a.restart(ctx); err != nil {
		return fmt.Errorf("the component is placed, but the agent was not restarted: %w", err)
	}
	o.say("restarted the agent; waiting for the component")
	healthy, err := a.await(ctx, c.Input, before.of(c.Input).process, o.Wait)
	if err != nil {
		return fmt.Errorf("the component is placed, but %w", err)
	}
	if healthy {
		o.say("HEALTHY")
	} else {
		o.say("the agent runs; its policy has no input of type %s yet", c.Input)
	}
	return nil
}

func (o Options) describe(a agent) {
	v := a.home.version()
	if v == "" {
		v = "of unknown version"
	}
	text := fmt.Sprintf("agent %s in %s, home in use %s", v, a.home.top(), filepath.Base(string(a.home)))
	if a.flavor != "" {
		text += ", flavour " + a.flavor
	}
	o.say("%s", text)
}

// plan says what would be replaced.
func (o Options) plan(ctx context.Context, c Component, dir string) {
	there := c.in(dir)
	if there.none() {
		o.say("new: %s, then %s", c.binaryIn(dir), c.specIn(dir))
		return
	}
	was := c.versionIn(ctx, dir)
	if was == "" {
		was = "another version"
	}
	o.say("replace %s by %s: %s, then %s", was, c.Version, c.binaryIn(dir), c.specIn(dir))
}

// hints say how to undo it, and where it does not last.
func (o Options) hints(a agent, c Component) {
	o.say("to undo: %s uninstall --top %s", c.Name, a.home.top())
	if a.packaged {
		o.say("this agent comes from a DEB or RPM, whose upgrades remove it again: see Upgrades in docs/deployment.md")
	}
	if inContainer() {
		o.say("in a container it lasts as long as the container: put it into the image")
	}
}

// Uninstall takes the component out of every home of the agent, and restarts it.
func Uninstall(ctx context.Context, c Component, o Options) error {
	a, err := o.find()
	if err != nil {
		return err
	}
	o.describe(a)
	with := a.with(c)
	if len(with) == 0 {
		o.say("nothing to remove: no home has %s", c.Name)
		return nil
	}
	for _, h := range with {
		o.say("remove: %s, then %s", c.specIn(h.components()), c.binaryIn(h.components()))
	}
	if o.DryRun {
		o.say("nothing was changed (--dry-run)")
		return nil
	}
	// The home in use first: Follow carries nothing once its spec is gone. Windows keeps a
	// binary that runs, which goes when the agent was restarted.
	err = c.removeAll(with)
	if !o.NoRestart && !c.specLeft(with) {
		if err := a.restart(ctx); err != nil {
			return fmt.Errorf("the spec is removed, but the agent was not restarted: %w", err)
		}
		o.say("restarted the agent")
		err = c.removeUntil(ctx, a)
	}
	if err != nil {
		return remedy(fmt.Errorf("remove %s: %w", c.Name, err))
	}
	o.say("removed; an input of type %s in the policy is now reported as not supported", c.Input)
	return nil
}

// specLeft reports whether an agent would still load the component.
func (c Component) specLeft(homes []home) bool {
	return slices.ContainsFunc(homes, func(h home) bool { return c.in(h.components()).spec != nil })
}

// with are the homes that hold any of the component, the one in use first.
func (a agent) with(c Component) []home {
	var with []home
	for _, h := range append([]home{a.home}, a.homes...) {
		if !c.in(h.components()).none() && (h != a.home || len(with) == 0) {
			with = append(with, h)
		}
	}
	return with
}

// removeAll goes through all homes and returns the first error.
func (c Component) removeAll(homes []home) (first error) {
	for _, h := range homes {
		if err := c.remove(h.components()); first == nil {
			first = err
		}
	}
	return first
}

// goneWithin is how long a process may keep its file after the agent was asked to
// restart: agents kill it after 30 s.
const goneWithin = 40 * time.Second

// removeUntil removes what is left when the processes have ended.
func (c Component) removeUntil(ctx context.Context, a agent) error {
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	tick := time.NewTicker(askPeriod)
	defer tick.Stop()
	for {
		err := c.removeAll(a.homes)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// Status writes where the component is, and what the agent says about it. The error
// names what is wrong with the home in use; nil means that it is there whole.
func Status(ctx context.Context, c Component, o Options) error {
	a, err := o.find()
	if err != nil {
		return err
	}
	o.describe(a)
	for _, h := range a.homes {
		use := ""
		if h == a.home {
			use = " (in use)"
		}
		o.say("%s%s: %s", filepath.Base(string(h)), use, c.presence(ctx, h.components()))
	}
	o.say("the agent says: %s", a.says(ctx, c.Input))
	switch there := c.in(a.home.components()); {
	case there.spec != nil && there.binary == nil:
		return fmt.Errorf("%s has the spec without its binary, which keeps the agent from starting: run %s install --top %s", a.home, c.Name, a.home.top())
	case there.spec == nil:
		return fmt.Errorf("not installed in %s: run %s install --top %s", a.home, c.Name, a.home.top())
	}
	return nil
}

func (c Component) presence(ctx context.Context, dir string) string {
	there := c.in(dir)
	switch {
	case there.none():
		return "not there"
	case there.binary == nil:
		return "the spec without its binary"
	case there.spec == nil:
		return "the binary without its spec"
	case c.same(dir):
		return c.Version
	}
	if v := c.versionIn(ctx, dir); v != "" {
		return v + ", this program is another build, " + c.Version
	}
	return "another version than this program, " + c.Version
}

// says is what the agent says about the component.
func (a agent) says(ctx context.Context, input string) string {
	r, err := a.ask(ctx)
	switch o := r.of(input); {
	case err != nil:
		return "nothing: it does not run, or was asked without its rights"
	case !o.found:
		return "no input of type " + input + " in its policy"
	case o.healthy:
		return "HEALTHY"
	default:
		return o.trouble
	}
}

// remedy adds what to do about the faults that operators meet.
func remedy(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run it as root (administrator), or as the agent's user", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the agent's folder cannot be written; put the component into the agent's image", err)
	}
	return err
}
