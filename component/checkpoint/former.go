package checkpoint

import (
	"context"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// keeper is a store by exact keys.
type keeper interface {
	load(ctx context.Context, key inputs.Key) ([]byte, error)
	Save(ctx context.Context, key inputs.Key, value []byte) error
	remove(ctx context.Context, key inputs.Key)
}

// loadOrMove loads what is under a key. Where there is nothing at all, what is under its
// former key is moved there. An unusable one is not missing: its former one is older. A
// former one that cannot be read now is an error like any other, because a stream that starts
// afresh saves under the new key, and nobody would look for the former one again.
func loadOrMove(ctx context.Context, k keeper, key inputs.Key) ([]byte, error) {
	value, err := k.load(ctx, key)
	former := key.Former()
	if key == former || former == (inputs.Key{}) || err != inputs.ErrNoCursor { //nolint:errorlint // an unusable one is not missing
		return value, err
	}
	value, err = k.load(ctx, former)
	if err != nil {
		return nil, err
	}
	if err := k.Save(ctx, key, value); err != nil {
		return value, nil // the next save reports it
	}
	k.remove(ctx, former) // it is not looked for again
	return value, nil
}
