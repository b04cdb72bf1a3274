package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// version of the format; other ones are not read.
const version = 1

// maxSize bounds what is read back, bytes.
const maxSize = 64 << 20

// content is a checkpoint as both stores keep it.
type content struct {
	Version int            `json:"version"`
	Key     inputs.Key     `json:"key"`
	Value   jsontext.Value `json:"value"`
	// Sum is the hex SHA-256 of Value: a half-written or edited one is no checkpoint.
	Sum string `json:"sum"`
}

// encode copies the value, which may have megabytes, only once.
func encode(key inputs.Key, value []byte) ([]byte, error) {
	const void = "null"
	frame, err := json.Marshal(content{version, key, jsontext.Value(void), sum(value)})
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint: %w", err)
	}
	before, after, _ := bytes.Cut(frame, []byte(`"value":`+void))
	b := make([]byte, 0, len(frame)+len(value))
	b = append(append(b, before...), `"value":`...)
	return append(append(b, value...), after...), nil
}

// decode checks that b is the checkpoint of that key and returns its value.
func decode(key inputs.Key, b []byte) ([]byte, error) {
	var c content
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, errors.New("it is torn or no checkpoint")
	}
	switch {
	case c.Version != version:
		return nil, fmt.Errorf("it has format version %d, want %d", c.Version, version)
	case c.Key.Checkpoint() != key.Checkpoint():
		return nil, errors.New("it belongs to another stream")
	case c.Sum != sum(c.Value):
		return nil, errors.New("it is damaged")
	}
	return c.Value, nil
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
