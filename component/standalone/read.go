package standalone

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/elastic/go-ucfg"
	"go.yaml.in/yaml/v3"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// maxFile bounds a policy file, bytes.
const maxFile = 16 << 20

// Policy is what a file asks for.
type Policy struct {
	Units []component.Unit // the inputs, then their output
	// Warnings say what is odd about the file and does not stop anything.
	Warnings []string
}

// Read reads the inputs of a type and their output from a policy file. lookup is the
// environment. The error joins all faults, each a line with what to do.
func Read(path string, input inputs.Input, lookup func(string) (string, bool)) (Policy, error) {
	file, mode, err := readFile(path)
	if err != nil {
		return Policy{}, fmt.Errorf("policy %s: %w", path, err)
	}
	tree, err := parseFile(file)
	if err != nil {
		return Policy{}, fmt.Errorf("policy %s: %w", path, err)
	}
	p := picker{input: input, variables: variables{lookup: lookup}}
	units, err := p.pick(tree)
	if err != nil {
		return Policy{}, inFile(path, err)
	}
	if len(p.secrets) > 0 && runtime.GOOS != "windows" && mode.Perm()&0o004 != 0 {
		p.warnings = append(p.warnings, fmt.Sprintf("every user of this host can read %s in %s: chmod 600 it, or write ${env.NAME} in place of secrets",
			strings.Join(p.secrets, ", "), path))
	}
	return Policy{Units: units, Warnings: p.warnings}, nil
}

// inFile names the file in each of the faults.
func inFile(path string, err error) error {
	var all []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		all = append(all, fmt.Errorf("policy %s: %s", path, line))
	}
	return errors.Join(all...)
}

func readFile(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own file
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, 0, errors.New("there is no such file; name one with -c, or let defender-endpoint init write one")
	case errors.Is(err, fs.ErrPermission):
		return nil, 0, errors.New("may not be read by this user; run as its owner, or change its mode")
	case err != nil:
		return nil, 0, reasonOf(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, reasonOf(err)
	}
	if info.IsDir() {
		return nil, 0, errors.New("is a directory; name the file in it, such as elastic-agent.yml")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, 0, reasonOf(err)
	case len(text) > maxFile:
		return nil, 0, fmt.Errorf("is larger than %d MiB, which no policy is", maxFile>>20)
	}
	return text, info.Mode(), nil
}

// reasonOf is a file's error without the path, which is reported already.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// quoted is what errors of YAML quote of the file.
var quoted = regexp.MustCompile("'[^']*'|`[^`]*`|\"[^\"]*\"|&[^ ]*|\\*[^ ]*")

// asAgentReads are the options with which the agent reads inputs and outputs (EA
// internal/pkg/config/config.go): dots nest, and nothing is put in.
var asAgentReads = []ucfg.Option{ucfg.PathSep("."), ucfg.ResolveNOOP}

// parseFile reads YAML; dotted names may lead to inputs and outputs.
func parseFile(text []byte) (map[string]any, error) {
	var content any
	if err := yaml.Unmarshal(text, &content); err != nil {
		why := brief(err)
		if strings.Contains(why, "control characters") || !utf8.Valid(text) {
			return nil, errors.New("is no text file; name the policy with -c, and write it in UTF-8")
		}
		return nil, fmt.Errorf("is not YAML: %s; correct the line, or the indentation of those around it", why)
	}
	top, ok := content.(map[string]any)
	if !ok {
		return nil, errors.New("has no outputs and inputs; it must have the shape of a standalone elastic-agent.yml, which defender-endpoint help policy shows")
	}
	wanted := map[string]any{}
	for name, v := range top {
		if first, _, _ := strings.Cut(name, "."); first == "outputs" || first == "inputs" || first == "providers" {
			wanted[name] = v
		}
	}
	c, err := ucfg.NewFrom(wanted, asAgentReads...)
	if err != nil {
		return nil, fmt.Errorf("outputs and inputs cannot be read: %s", brief(err))
	}
	tree := map[string]any{}
	if err := c.Unpack(&tree, asAgentReads...); err != nil {
		return nil, fmt.Errorf("outputs and inputs cannot be read: %s", brief(err))
	}
	return tree, nil
}

// brief is a library's error on one line, without what it quotes of the file.
func brief(err error) string {
	text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", "; ")
	if several, ok := errors.AsType[*yaml.TypeError](err); ok {
		text = strings.Join(several.Errors, "; ")
	}
	return quoted.ReplaceAllString(text, "...")
}
