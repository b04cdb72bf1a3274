package process

import (
	"errors"
	"fmt"
	"slices"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

type renaming struct{ from, to string }

// newRename moves fields in the order given. What cannot be moved is skipped
// where fail_on_error is false; else, as in Beats, none of the fields is
// renamed and error.message says why.
func newRename(s *settings) Processor {
	ignoreMissing := setting(s, "ignore_missing", false, "true or false")
	failOnError := setting(s, "fail_on_error", true, "true or false")
	moves := s.renamings()
	return func(d *ecs.Document) bool {
		var done []renaming
		for _, m := range moves {
			err := m.apply(d, ignoreMissing)
			if err == nil {
				done = append(done, m)
				continue
			}
			if errors.Is(err, errSkip) || !failOnError {
				continue
			}
			for _, undo := range slices.Backward(done) {
				undo.revert(d)
			}
			noteError(d, "rename: "+err.Error())
			return true
		}
		return true
	}
}

var errSkip = errors.New("nothing to rename")

func (m renaming) validate() error {
	switch {
	case m.from == "" || m.to == "":
		return errors.New("from and to: both are required")
	case m.from == m.to:
		return errors.New("from and to are the same")
	default:
		return errors.Join(mayChange(m.from), mayChange(m.to))
	}
}

func (m renaming) apply(d *ecs.Document, ignoreMissing bool) error {
	v := d.Get(m.from)
	if !v.Present() {
		if ignoreMissing {
			return errSkip
		}
		return fmt.Errorf("%s is missing", m.from)
	}
	d.Delete(m.from)
	if d.Get(m.to).Present() || obstructed(d, m.to) {
		d.Set(m.from, v)
		return fmt.Errorf("%s: %s exists already", m.from, m.to)
	}
	d.Set(m.to, v)
	return nil
}

func (m renaming) revert(d *ecs.Document) {
	v := d.Get(m.to)
	d.Delete(m.to)
	d.Set(m.from, v)
}

func (s *settings) renamings() []renaming {
	list := setting[[]any](s, "fields", nil, "a list of objects with from and to")
	if len(list) == 0 {
		s.fault("fields", errors.New("required: a list of objects with from and to"))
	}
	var moves []renaming
	for i, entry := range list {
		values, _ := entry.(map[string]any)
		one := &settings{values: values}
		m := renaming{setting(one, "from", "", "a string"), setting(one, "to", "", "a string")}
		one.unknown()
		if err := m.validate(); err != nil {
			one.faults = append(one.faults, err)
		}
		s.faults = append(s.faults, within(fmt.Sprintf("fields[%d]", i), one.faults)...)
		moves = append(moves, m)
	}
	return moves
}
