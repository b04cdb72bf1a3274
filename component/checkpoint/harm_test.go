package checkpoint_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/checkpoint"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

func TestHarmContract(t *testing.T) {
	inputstest.RunHarmContract(t, func(t *testing.T) (inputs.Cursors, func(string, inputstest.Harm)) {
		dir := t.TempDir()
		return open(t, dir), func(value string, how inputstest.Harm) {
			if err := harmFile(filepath.Join(dir, "cursors"), value, how); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// harmFile harms the file that holds a value. A link that leads to itself cannot be
// read, even by root, and is no file that is missing.
func harmFile(dir, value string, how inputstest.Harm) error {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), value) {
			continue
		}
		switch how {
		case inputstest.Damaged:
			return os.WriteFile(path, bytes.ReplaceAll(b, []byte(value), []byte(`{}`)), 0o600)
		case inputstest.Unreadable:
			return errors.Join(os.Rename(path, path+".kept"), os.Symlink(filepath.Base(path), path))
		case inputstest.Healed:
			return os.Rename(path, strings.TrimSuffix(path, ".kept"))
		}
	}
	return errors.New("no file holds " + value)
}

func TestHarmContractOfElasticsearch(t *testing.T) {
	inputstest.RunHarmContract(t, func(t *testing.T) (inputs.Cursors, func(string, inputstest.Harm)) {
		_, client := connect(t)
		harmed := &harmedClient{Client: client}
		return store(harmed), func(value string, how inputstest.Harm) { harmed.value, harmed.how = value, how }
	})
}

// harmedClient gives a document that holds a value in another way.
type harmedClient struct {
	checkpoint.Client
	value string
	how   inputstest.Harm
}

func (c *harmedClient) Perform(r *http.Request) (*http.Response, error) {
	response, err := c.Client.Perform(r)
	if err != nil || r.Method != http.MethodGet || c.value == "" {
		return response, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	switch {
	case !bytes.Contains(b, []byte(c.value)):
	case c.how == inputstest.Damaged:
		b = bytes.ReplaceAll(b, []byte(c.value), []byte(`{}`))
	case c.how == inputstest.Unreadable:
		response.StatusCode, b = http.StatusServiceUnavailable, nil
	}
	response.Body = io.NopCloser(bytes.NewReader(b))
	return response, nil
}
