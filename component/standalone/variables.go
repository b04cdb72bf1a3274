package standalone

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// reference matches a variable, or, with a doubled dollar sign, plain text.
var reference = regexp.MustCompile(`\$\$?\{[\p{L}\d\s\\\-_|.'":/]*\}`)

// provider is where variables come from that name no other, and the only one here.
const provider = "env"

// variables puts values in place of variables.
type variables struct {
	lookup func(name string) (string, bool) // of the environment
	item   map[string]any                   // of local_dynamic; see eachItem
	faults []error                          // each names its setting
}

// in returns a copy of a value of a policy with all variables replaced. path names
// the value.
func (v *variables) in(path string, value any) any {
	switch value := value.(type) {
	case string:
		text, err := v.expand(value)
		if err != nil {
			v.faults = append(v.faults, fmt.Errorf("%s: %w", path, err))
		}
		return text
	case map[string]any:
		out := make(map[string]any, len(value))
		for _, name := range slices.Sorted(maps.Keys(value)) {
			out[name] = v.in(path+"."+name, value[name])
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i := range value {
			out[i] = v.in(fmt.Sprintf("%s[%d]", path, i), value[i])
		}
		return out
	default:
		return value
	}
}

func (v *variables) expand(text string) (string, error) {
	var out strings.Builder
	rest := 0
	for _, at := range reference.FindAllStringIndex(text, -1) {
		before, found := text[rest:at[0]], text[at[0]:at[1]]
		if strings.Contains(before, "${") {
			return "", errNotClosed
		}
		out.WriteString(before)
		rest = at[1]
		if strings.HasPrefix(found, "$$") {
			out.WriteString(found[1:])
			continue
		}
		value, err := v.value(found)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
	}
	if rest == 0 && strings.Contains(text, "${") {
		return "", errNotClosed // behind a variable the agent takes it as it is
	}
	return out.String() + text[rest:], nil
}

var errNotClosed = errors.New("a ${ is no variable: write ${env.NAME}, or $${...} for the plain text")

// value is what a variable represents: the first of its alternatives that there is.
func (v *variables) value(found string) (string, error) {
	alternatives, err := parse(found[2 : len(found)-1])
	if err != nil {
		return "", err
	}
	var missing []string
	for _, a := range alternatives {
		if a.constant {
			return a.text, nil
		}
		if value, ok := v.ofItem(a.text); ok {
			return value, nil
		}
		name, ok := strings.CutPrefix(a.text, provider+".")
		if !ok && !strings.Contains(a.text, ".") {
			name, ok = a.text, true
		}
		if !ok {
			missing = append(missing, a.text+" (only "+provider+" is known here)")
			continue
		}
		if value, ok := v.lookup(name); ok {
			return value, nil
		}
		if a.text == name {
			name = "without a provider" // it may be part of a password: it is not shown
		}
		missing = append(missing, name)
	}
	if len(missing) == 0 {
		return "", errors.New("${} names no variable: write ${env.NAME}")
	}
	return "", fmt.Errorf("the variable %s is not set; set it in the environment, or give another value as in ${env.NAME|'value'}; $${ is the plain text", strings.Join(missing, ", nor "))
}

// alternative is one of the things a variable may represent.
type alternative struct {
	text     string
	constant bool
}

// parse reads what is between the braces: names, and constants in quotes or
// after a colon, with bars between them.
func parse(text string) ([]alternative, error) {
	var all []alternative
	var word strings.Builder
	var quote rune // that is open, or 0
	constant, escaped := false, false
	end := func() error {
		name := word.String()
		word.Reset()
		switch {
		case constant:
			all = append(all, alternative{name, true})
		case strings.HasSuffix(name, "."):
			return errors.New("the name of a variable must not end in a dot")
		case name != "":
			all = append(all, alternative{name, false})
		}
		return nil
	}
	for _, r := range text {
		wasEscaped := escaped
		escaped = false
		switch {
		case (r == '|' || r == ':') && wasEscaped:
			return nil, fmt.Errorf(`a variable must not have \ before %c`, r)
		case (r == '|' || r == ':') && quote == 0:
			if err := end(); err != nil {
				return nil, err
			}
			constant = r == ':'
		case (r == '"' || r == '\'') && !wasEscaped && (quote == 0 || quote == r):
			if constant = true; quote == 0 {
				quote = r
			} else {
				quote = 0
			}
		case r == '\\' && !wasEscaped:
			escaped = true
		case quote != 0 || !unicode.IsSpace(r):
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a variable has a %c that is not closed", quote)
	}
	return all, end()
}
