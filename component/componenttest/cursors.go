package componenttest

import (
	"bytes"
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
	expect := func(t *testing.T, c inputs.Cursors, key inputs.Key, want []byte) {
		t.Helper()
		got, err := c.Load(ctx, key)
		if want == nil {
			if !errors.Is(err, inputs.ErrNoCursor) {
				t.Errorf("load %v: %s, %v; want ErrNoCursor", key, got, err)
			}
			return
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("load %v: %s, %v; want %s", key, got, err, want)
		}
	}
	save := func(t *testing.T, c inputs.Cursors, key inputs.Key, value string) {
		t.Helper()
		if err := c.Save(ctx, key, []byte(value)); err != nil {
			t.Fatalf("save %v: %v", key, err)
		}
	}

	c := open(t)
	expect(t, c, a, nil)
	save(t, c, a, `{"n":1}`)
	save(t, c, b, `{"n":2}`)
	expect(t, c, a, []byte(`{"n":1}`))
	expect(t, c, b, []byte(`{"n":2}`))
	save(t, c, a, `{"n":3}`)
	save(t, c, sibling, `{"n":4}`)

	c = open(t)
	expect(t, c, a, []byte(`{"n":3}`))
	expect(t, c, sibling, []byte(`{"n":4}`))
	for range 2 { // the second time there is nothing to delete
		if err := c.Delete(ctx, a.Input); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	c = open(t)
	expect(t, c, a, nil)
	expect(t, c, sibling, nil)
	expect(t, c, b, []byte(`{"n":2}`))

	// What is read is the key, whatever the ids; a checkpoint of ids alone is
	// found once.
	read := b
	read.Source = "type|cloud/tenant|thing|logs"
	renamed, another := read, read
	renamed.Input, renamed.Stream = "in/2", "t"
	another.Source = "type|cloud/another|thing|logs"
	expect(t, c, renamed, nil)
	expect(t, c, read, []byte(`{"n":2}`))
	c = open(t)
	expect(t, c, another, nil)
	expect(t, c, b, nil)
	expect(t, c, renamed, []byte(`{"n":2}`))
	save(t, c, renamed, `{"n":5}`)
	if err := c.Delete(ctx, renamed.Input); err != nil {
		t.Errorf("delete: %v", err)
	}
	c = open(t)
	expect(t, c, read, []byte(`{"n":5}`))
	expect(t, c, another, nil)
}

var _ inputs.Cursors = (*Cursors)(nil)
