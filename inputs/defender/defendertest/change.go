package defendertest

import (
	"fmt"
	"iter"
	"time"
)

// Version is one version of a record.
type Version struct {
	ID       string    // empty for a hand-written record without one
	Time     time.Time // lastUpdateTime, lastSeen, lastUpdateDateTimeUtc
	Revision int       // distinguishes versions with equal times
	Evidence int       // evidence items; alerts only
}

// Add puts hand-written records into the tenant: any bytes, well-formed or
// not, served as they are. A record whose id is known replaces the present
// version. One without a usable version time is filed under the present time.
// Options.VisibilityDelay counts from now, not from the record's time, so an
// old time makes a record that appears late.
func (t *Tenant) Add(res Resource, records ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.settle()
	c := t.collections[res]
	for _, text := range records {
		w, at := readRaw([]byte(text), c.version)
		if at == 0 {
			at = c.now(now)
		}
		r := record{time: at, created: at, sequence: uint32(len(c.raws)), written: true}
		c.raws = append(c.raws, &w)
		if n, found := c.number(w.id); found && w.id != "" {
			r.revision = c.latest(n).revision + 1
		}
		c.schedule(change{now + t.delays[res], -1, r}, now)
	}
}

// Touch changes generated records and moves their version time to the present:
// alerts and actions get on with their status, machines send a report.
func (t *Tenant) Touch(res Resource, ids ...string) error {
	return t.change(res, ids, func(c *collection, r *record, now ticks) {
		r.time = c.now(now)
	})
}

// Amend changes generated records and leaves their version time: an alert gets
// one more evidence item, a machine another risk.
func (t *Tenant) Amend(res Resource, ids ...string) error {
	return t.change(res, ids, func(_ *collection, r *record, _ ticks) {
		r.grown++
	})
}

// TouchAt is Touch with a version time of the caller's choice: in the future, as
// of a device whose clock is wrong, or in the past.
func (t *Tenant) TouchAt(res Resource, at time.Time, ids ...string) error {
	return t.change(res, ids, func(c *collection, r *record, _ ticks) {
		r.time = c.now(toTicks(at))
	})
}

// Revise changes generated records in the way an analyst does, status, verdict
// and comments, and leaves their version time and evidence. Whether the service
// moves the time of an alert with each of these is not documented.
func (t *Tenant) Revise(res Resource, ids ...string) error {
	return t.change(res, ids, func(*collection, *record, ticks) {})
}

func (t *Tenant) change(res Resource, ids []string, f func(*collection, *record, ticks)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.settle()
	c := t.collections[res]
	for _, id := range ids {
		n, found := c.number(id)
		if !found {
			return fmt.Errorf("change %s: no visible record %q", res, id)
		}
		r := c.latest(n)
		if r.written {
			return fmt.Errorf("change %s: %q is hand-written, add its next version", res, id)
		}
		r.revision++
		f(c, &r, now)
		c.schedule(change{now + t.delays[res], n, r}, now)
	}
	return nil
}

// Records are the records as the API shows them now, in the order of time.
func (t *Tenant) Records(res Resource) iter.Seq[Version] {
	return t.versions(res, func(c *collection) []source {
		rows := make([]source, len(c.byTime))
		for i, n := range c.byTime {
			rows[i] = c.source(n)
		}
		return rows
	})
}

// Versions are all versions that ever were visible, first those since
// replaced, then the present ones. A version may have been replaced before
// anybody could read it.
func (t *Tenant) Versions(res Resource) iter.Seq[Version] {
	return t.versions(res, func(c *collection) []source {
		rows := make([]source, 0, len(c.old)+len(c.byTime))
		for _, r := range c.old {
			s := source{record: r}
			if r.written {
				s.raw = c.raws[r.sequence]
			}
			rows = append(rows, s)
		}
		for _, n := range c.byTime {
			rows = append(rows, c.source(n))
		}
		return rows
	})
}

// Bodies are the records as the API shows them now, byte for byte and expanded,
// regardless of the rules that spoil its answers.
func (t *Tenant) Bodies(res Resource) iter.Seq[string] {
	return func(yield func(string) bool) {
		t.mu.Lock()
		t.settle()
		c := t.collections[res]
		bodies := make([]string, len(c.byTime))
		for i, n := range c.byTime {
			bodies[i] = string(c.source(n).append(c.resource, &t.world, nil, true))
		}
		t.mu.Unlock()
		for _, b := range bodies {
			if !yield(b) {
				return
			}
		}
	}
}

func (t *Tenant) versions(res Resource, rows func(*collection) []source) iter.Seq[Version] {
	return func(yield func(Version) bool) {
		t.mu.Lock()
		t.settle()
		c := t.collections[res]
		sources := rows(c)
		t.mu.Unlock()
		for _, s := range sources {
			if !yield(t.version(res, s)) {
				return
			}
		}
	}
}

func (t *Tenant) version(res Resource, s source) Version {
	v := Version{Time: s.time.time(), Revision: int(s.revision)}
	if s.raw != nil {
		v.ID, v.Evidence = s.raw.id, s.raw.parts
		return v
	}
	v.ID = string(resources[res].appendID(&t.world, nil, s.sequence))
	if res == Alerts {
		v.Evidence = evidenceCount(&t.world, s.record)
	}
	return v
}

// settle brings the tenant up to the present time and returns it.
func (t *Tenant) settle() ticks {
	now := toTicks(t.Now())
	for t.interval > 0 {
		due := t.started + ticks(float64(t.arrived+1)*t.interval)
		if due > now {
			break
		}
		c := t.collections[Alerts]
		at := c.now(due)
		r := record{time: at, created: at, sequence: uint32(t.options.Alerts + t.arrived)}
		c.schedule(change{due + t.delays[Alerts], -1, r}, now)
		t.arrived++
	}
	for _, c := range t.collections {
		c.settle(now)
	}
	return now
}
