package inputstest

import (
	"context"
	"errors"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Harm is what is done to a checkpoint behind the back of its store.
type Harm uint8

// The harms.
const (
	Damaged    Harm = iota // for good: its sum is wrong
	Unreadable             // for a moment, as by a disk or a server in trouble
	Healed                 // it is readable again
)

// RunHarmContract checks what every inputs.Cursors on a disk or a server owes a
// stream whose checkpoint, or its former one, cannot be used or cannot be read. open
// makes an empty store; harm does something to the checkpoint that holds a value.
func RunHarmContract(t *testing.T, open func(t *testing.T) (c inputs.Cursors, harm func(value string, how Harm))) {
	former := inputs.Key{Input: "in", Stream: "s", Dataset: "d"}
	key := former
	key.Source = "type|cloud/tenant|thing|logs"
	const older, newer = `{"n":"older"}`, `{"n":"newer"}`

	t.Run("former one unreadable for a moment", func(t *testing.T) {
		cursors, harm := open(t)
		c := store{t, cursors}
		c.save(former, older)
		harm(older, Unreadable)
		if value, err := c.Load(context.Background(), key); err == nil || errors.Is(err, inputs.ErrNoCursor) {
			t.Errorf("load: %s, %v; want an error after which it is tried again", value, err)
		}
		harm(older, Healed)
		c.expect(key, older)
	})
	t.Run("unreadable for a moment", func(t *testing.T) {
		cursors, harm := open(t)
		c := store{t, cursors}
		c.save(former, older)
		c.save(key, newer)
		harm(newer, Unreadable)
		if value, err := c.Load(context.Background(), key); err == nil || errors.Is(err, inputs.ErrNoCursor) {
			t.Errorf("load: %s, %v; want an error after which it is tried again", value, err)
		}
		harm(newer, Healed)
		c.expect(key, newer)
	})
	t.Run("former one damaged", func(t *testing.T) {
		cursors, harm := open(t)
		c := store{t, cursors}
		c.save(former, older)
		harm(older, Damaged)
		c.expectUnusable(key)
	})
	t.Run("damaged beside a former one", func(t *testing.T) {
		cursors, harm := open(t)
		c := store{t, cursors}
		c.save(former, older)
		c.save(key, newer)
		harm(newer, Damaged)
		c.expectUnusable(key)
	})
}

// expectUnusable wants an error that says what is wrong, and no value.
func (s store) expectUnusable(key inputs.Key) {
	s.t.Helper()
	value, err := s.Load(context.Background(), key)
	if _, unusable := errors.AsType[*inputs.UnusableCursor](err); !unusable {
		s.t.Errorf("load %v: %s, %v; want an UnusableCursor", key, value, err)
	}
}
