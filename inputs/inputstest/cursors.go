package inputstest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Cursors is an inputs.Cursors in memory. The zero value is ready to use.
type Cursors struct {
	// SaveError, when set, is asked before every save.
	SaveError func(key inputs.Key) error

	mu    sync.Mutex
	saved map[inputs.Key][]byte
	saves int
}

// Load implements inputs.Cursors.
func (c *Cursors) Load(_ context.Context, key inputs.Key) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value, ok := c.saved[key.Checkpoint()]; ok {
		return slices.Clone(value), nil
	}
	value, ok := c.saved[key.Former()]
	if !ok {
		return nil, inputs.ErrNoCursor
	}
	delete(c.saved, key.Former())
	c.saved[key.Checkpoint()] = value
	return slices.Clone(value), nil
}

// Save implements inputs.Cursors.
func (c *Cursors) Save(_ context.Context, key inputs.Key, value []byte) error {
	if c.SaveError != nil {
		if err := c.SaveError(key); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.saved == nil {
		c.saved = map[inputs.Key][]byte{}
	}
	c.saved[key.Checkpoint()] = slices.Clone(value)
	c.saves++
	return nil
}

// Delete implements inputs.Cursors.
func (c *Cursors) Delete(_ context.Context, input string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.saved {
		if key.Input == input {
			delete(c.saved, key)
		}
	}
	return nil
}

// Saves is how often something was saved.
func (c *Cursors) Saves() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saves
}

// RunCursorsContract checks what every inputs.Cursors owes a stream. open
// opens the same store again each time it is called, as a new process would,
// after closing the former one.
func RunCursorsContract(t *testing.T, open func(t *testing.T) inputs.Cursors) {
	ctx := context.Background()
	a := inputs.Key{Input: "in/1", Stream: "s", Dataset: "d"}
	b := inputs.Key{Input: "in", Stream: "1/s", Dataset: "d"}
	sibling := inputs.Key{Input: "in/1", Stream: "s 2+%", Dataset: "d"}
	c := store{t, open(t)}
	c.expect(a, "")
	c.save(a, `{"n":1}`)
	c.save(b, `{"n":2}`)
	c.expect(a, `{"n":1}`)
	c.expect(b, `{"n":2}`)
	c.save(a, `{"n":3}`)
	// Such characters are escaped by some encoders, which would make another value of it.
	const odd = `{"n":4, "text":"<b>&amp;\u2028` + "\u2028" + `"}`
	c.save(sibling, odd)

	c = store{t, open(t)}
	c.expect(a, `{"n":3}`)
	c.expect(sibling, odd)
	for range 2 { // the second time there is nothing to delete
		if err := c.Delete(ctx, a.Input); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	c = store{t, open(t)}
	c.expect(a, "")
	c.expect(sibling, "")
	c.expect(b, `{"n":2}`)
	runIdentityContract(t, open, b)
}

// runIdentityContract: what is read is the key, regardless of the ids; a checkpoint of
// ids alone, as former holds one with {"n":2}, is found once.
func runIdentityContract(t *testing.T, open func(t *testing.T) inputs.Cursors, former inputs.Key) {
	read := former
	read.Source = "type|cloud/tenant|thing|logs"
	renamed, another := read, read
	renamed.Input, renamed.Stream = "in/2", "t"
	another.Source = "type|cloud/another|thing|logs"
	c := store{t, open(t)}
	c.expect(renamed, "")
	c.expect(read, `{"n":2}`)
	c = store{t, open(t)}
	c.expect(another, "")
	c.expect(former, "")
	c.expect(renamed, `{"n":2}`)
	c.save(renamed, `{"n":5}`)
	if err := c.Delete(context.Background(), renamed.Input); err != nil {
		t.Errorf("delete: %v", err)
	}
	c = store{t, open(t)}
	c.expect(read, `{"n":5}`)
	c.expect(another, "")
}

// store is an inputs.Cursors under test.
type store struct {
	t *testing.T
	inputs.Cursors
}

// expect wants a value under a key, or none where it is empty.
func (s store) expect(key inputs.Key, want string) {
	s.t.Helper()
	got, err := s.Load(context.Background(), key)
	if want == "" {
		if !errors.Is(err, inputs.ErrNoCursor) {
			s.t.Errorf("load %v: %s, %v; want ErrNoCursor", key, got, err)
		}
		return
	}
	if err != nil || string(got) != want {
		s.t.Errorf("load %v: %s, %v; want %s", key, got, err, want)
	}
}

func (s store) save(key inputs.Key, value string) {
	s.t.Helper()
	if err := s.Save(context.Background(), key, []byte(value)); err != nil {
		s.t.Fatalf("save %v: %v", key, err)
	}
}

var _ inputs.Cursors = (*Cursors)(nil)
