package policy

import (
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// A struct with config tags declares the settings that it is decoded from. Its
// blank fields declare settings that are right in their place and have no effect
// here:
//
//	_ any `config:"queue"` // batches are bounded otherwise

// InputKeys declares what the agent, Fleet and standalone policies put into every
// input and its streams beside its own settings (AGENT.md 3.1).
type InputKeys struct {
	_ any `config:"id"`
	_ any `config:"original_id"`
	_ any `config:"type"`
	_ any `config:"name"`
	_ any `config:"revision"`
	_ any `config:"policy"`
	_ any `config:"package_policy_id"`
	_ any `config:"meta"`
	_ any `config:"use_output"`
	_ any `config:"log_level"`
	_ any `config:"streams"`
	_ any `config:"condition"`
	_ any `config:"data_stream.elasticsearch"` // privileges that Fleet gives the key
	_ any `config:"keep_null"`
	_ any `config:"publisher_pipeline"`
	_ any `config:"_runtime_experimental"` // process keeps the input out of the agent's collector
}

// OutputKeys declares what every output has beside its own settings.
type OutputKeys struct {
	_ any `config:"type"`
	_ any `config:"enabled"`
	_ any `config:"name"`
	_ any `config:"revision"`
	_ any `config:"policy"`
	_ any `config:"log_level"`
	_ any `config:"shipper"`
	_ any `config:"_runtime_experimental"`
}

// Stray is a setting that nobody declares.
type Stray struct {
	Name    string // dotted
	Nearest string // the declared name that is most alike; empty where none is
}

// String says what is wrong, and what was probably meant.
func (s Stray) String() string {
	if s.Nearest == "" {
		return fmt.Sprintf("%s: no such setting", s.Name)
	}
	return fmt.Sprintf("%s: no such setting, did you mean %s?", s.Name, s.Nearest)
}

// Strays are the settings of source that none of the structs declares, by name.
func Strays(source map[string]any, declared ...any) []Stray {
	known := declare(declared)
	var strays []Stray
	var look func(at declaration, prefix string, source map[string]any)
	look = func(at declaration, prefix string, source map[string]any) {
		for _, name := range slices.Sorted(maps.Keys(source)) {
			if strings.HasPrefix(name, redactionMark) {
				continue
			}
			below, ok := at.find(name)
			path := prefix + name
			switch inner, isMap := source[name].(map[string]any); {
			case !ok:
				strays = append(strays, Stray{path, Nearest(path, known.names())})
			case isMap && len(below) > 0:
				look(below, path+".", inner)
			}
		}
	}
	look(known, "", source)
	return strays
}

// declaration is what may be at a place in a policy, by the next part of its
// name; empty where anything may.
type declaration map[string]declaration

// find follows a name, which may be dotted.
func (d declaration) find(name string) (declaration, bool) {
	for part := range strings.SplitSeq(name, ".") {
		if len(d) == 0 {
			break // a place where anything is allowed; the struct as a whole is never empty
		}
		below, ok := d[part]
		if !ok {
			return nil, false
		}
		d = below
	}
	return d, true
}

// names are the settings that have values, dotted, in order.
func (d declaration) names() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d)) {
		if len(d[name]) == 0 {
			all = append(all, name)
		}
		for _, below := range d[name].names() {
			all = append(all, name+"."+below)
		}
	}
	return all
}

func declare(structs []any) declaration {
	d := declaration{}
	for _, s := range structs {
		d.add(reflect.Indirect(reflect.ValueOf(s)).Type())
	}
	return d
}

func (d declaration) add(t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, option, _ := strings.Cut(field.Tag.Get("config"), ",")
		if option == "inline" {
			d.add(field.Type)
			continue
		}
		if name == "" {
			continue
		}
		at := d
		for part := range strings.SplitSeq(name, ".") {
			if at[part] == nil {
				at[part] = declaration{}
			}
			at = at[part]
		}
		if inner := indirect(field.Type); inner.Kind() == reflect.Struct {
			at.add(inner)
		}
	}
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// Names are the settings that structs declare, dotted, in order.
func Names(declared ...any) []string { return declare(declared).names() }

// Secrets are the settings of source that have a value and that one of the structs
// declares as a secret, in order, with that value. An address is none where it has no
// user information, and the name of a file is none.
func Secrets(source map[string]any, declared ...any) iter.Seq2[string, string] {
	return func(yield func(name, text string) bool) {
		r := Of(source)
		for _, name := range secretNames(declared) {
			text, err := r.tree.String(name, -1)
			secret := err == nil && text != "" && !filepath.IsAbs(text) && (strings.Contains(text, "@") || !strings.Contains(text, "://"))
			if secret && !yield(name, text) {
				return
			}
		}
	}
}

func secretNames(declared []any) []string {
	var names []string
	var look func(t reflect.Type)
	look = func(t reflect.Type) {
		for i := range t.NumField() {
			field := t.Field(i)
			name, option, _ := strings.Cut(field.Tag.Get("config"), ",")
			switch {
			case option == "inline":
				look(field.Type)
			case name != "" && field.Type == reflect.TypeFor[inputs.Secret]():
				names = append(names, name)
			}
		}
	}
	for _, s := range declared {
		look(reflect.Indirect(reflect.ValueOf(s)).Type())
	}
	return names
}

// Nearest is the one of some names that is most alike to another; empty where none
// is. The last part of a dotted name counts too: who forgets to nest a setting writes
// only that.
func Nearest(name string, names []string) string {
	best, least := "", 2
	if len(name) > 3 {
		least = max(2, len(name)/3) + 1
	}
	for _, n := range names {
		last := n[strings.LastIndex(n, ".")+1:]
		d := min(distance(name, n), distance(name, last))
		if d > 2 && len(name) > 3 && strings.Contains(n, name) {
			d = 2
		}
		if d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters differ between two names: replaced, left out, added
// or swapped with their neighbour.
func distance(a, b string) int {
	before, row := []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(next[j]+1, row[j+1]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
