package checkpoint

import (
	"context"
	"sync"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Unsaved is a store over another one that remembers what could not be saved,
// for as long as the process lives: a stream that is restarted while the disk
// is full continues where it was.
type Unsaved struct {
	inputs.Cursors

	mu     sync.Mutex
	values map[inputs.Key][]byte
}

// KeepUnsaved makes an Unsaved over c.
func KeepUnsaved(c inputs.Cursors) *Unsaved {
	return &Unsaved{Cursors: c, values: map[inputs.Key][]byte{}}
}

// Load implements inputs.Cursors. What is remembered is tried again: its stream
// does not save it again while nothing changes.
func (u *Unsaved) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	u.mu.Lock()
	value, ok := u.values[key.Checkpoint()]
	u.mu.Unlock()
	if !ok {
		return u.Cursors.Load(ctx, key)
	}
	_ = u.Save(ctx, key, value) // the next save reports it
	return value, nil
}

// Save implements inputs.Cursors. Its error is that of the other store.
func (u *Unsaved) Save(ctx context.Context, key inputs.Key, value []byte) error {
	err := u.Cursors.Save(ctx, key, value)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		u.values[key.Checkpoint()] = value
	} else {
		delete(u.values, key.Checkpoint())
	}
	return err
}

// Delete implements inputs.Cursors.
func (u *Unsaved) Delete(ctx context.Context, input string) error {
	u.mu.Lock()
	for key := range u.values {
		if key.Input == input {
			delete(u.values, key)
		}
	}
	u.mu.Unlock()
	return u.Cursors.Delete(ctx, input)
}
