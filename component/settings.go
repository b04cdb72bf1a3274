package component

import (
	"fmt"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// Strays lists a unit's settings that its input or output does not know, each on
// a line with the known one that is most alike. They have no effect.
func Strays(input inputs.Input, u Unit) []string {
	var found []string
	parts(input, u, func(prefix string, source map[string]any, declared []any) {
		for _, s := range policy.Strays(source, declared...) {
			found = append(found, prefix+s.String())
		}
	})
	return found
}

// Secrets are the names of a unit's settings that hold a secret, with its text.
func Secrets(input inputs.Input, u Unit, found func(name, text string)) {
	parts(input, u, func(prefix string, source map[string]any, declared []any) {
		for name, text := range policy.Secrets(source, declared...) {
			found(prefix+name, text)
		}
	})
}

// parts are a unit's settings and those of its streams, with the structs that
// declare them.
func parts(input inputs.Input, u Unit, do func(prefix string, source map[string]any, declared []any)) {
	if u.Output {
		if kind := kindOf(u.Type); kind != nil && kind.Settings != nil {
			do("", u.Source, []any{kind.Settings, &policy.OutputKeys{}})
		}
		return
	}
	declared := append(input.Settings(), &policy.InputKeys{})
	do("", u.Source, declared)
	streams, _ := u.Source["streams"].([]any)
	for i, entry := range streams {
		if stream, ok := entry.(map[string]any); ok {
			do(fmt.Sprintf("streams[%d].", i), stream, declared)
		}
	}
}
