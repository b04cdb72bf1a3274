package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// Variables of a policy are written as for the agent (Elastic's page "Variables and
// conditions in input configurations"): ${env.NAME}, with alternatives after | and a
// text in quotes or after : as the last one; $${...} is no variable. Of the agent's
// providers there are env and local_dynamic: of that one each item makes an input of
// its own from every input that names its variables. Whatever else stands in braces
// is taken as it stands: it may be a password.

var variable = regexp.MustCompile(`\$?\$\{\s*(?:env|local_dynamic)\.[^}]*\}`)

const dynamicProvider = "local_dynamic"

// scope is what variables stand for.
type scope struct {
	item map[string]any // variables of an item of local_dynamic; nil without one
}

func (s scope) lookUp(name string) (any, bool) {
	provider, name, _ := strings.Cut(name, ".")
	switch provider {
	case "env":
		return os.LookupEnv(name)
	case dynamicProvider:
		value, ok := s.item[name]
		return value, ok
	}
	return nil, false
}

// fill puts values in place of the variables in texts at whatever depth. The error
// names the place and the variable, and no value.
func (s scope) fill(place string, v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		filled := make(map[string]any, len(v))
		for name, value := range v {
			one, err := s.fill(strings.TrimPrefix(place+"."+name, "."), value)
			if err != nil {
				return nil, err
			}
			filled[name] = one
		}
		return filled, nil
	case []any:
		filled := make([]any, len(v))
		for i, value := range v {
			one, err := s.fill(fmt.Sprintf("%s[%d]", place, i), value)
			if err != nil {
				return nil, err
			}
			filled[i] = one
		}
		return filled, nil
	case time.Time: // YAML makes that of a day
		return v.Format(time.RFC3339), nil
	case string:
		return s.fillText(place, v)
	}
	return v, nil
}

func (s scope) fillText(place, text string) (any, error) {
	if found := variable.FindString(text); found == text && found != "" && !strings.HasPrefix(found, "$$") {
		value, err := s.value(place, found)
		return value, err // also a list or an object
	}
	var fault error
	filled := variable.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		value, err := s.value(place, found)
		if fault == nil {
			fault = err
		}
		return fmt.Sprint(value)
	})
	return filled, fault
}

// value is that of the first alternative that has one.
func (s scope) value(place, found string) (any, error) {
	rest := found[2 : len(found)-1]
	for rest != "" {
		rest = strings.TrimSpace(rest)
		if quote := rest[:1]; quote == "'" || quote == `"` {
			constant, _, _ := strings.Cut(rest[1:], quote)
			return constant, nil
		}
		name, after := rest, ""
		if i := strings.IndexAny(rest, "|:"); i >= 0 {
			name, after = rest[:i], rest[i+1:]
			if rest[i] == ':' {
				after = "'" + after + "'"
			}
		}
		if value, ok := s.lookUp(strings.TrimSpace(name)); ok {
			return value, nil
		}
		rest = after
	}
	return nil, fmt.Errorf("%s: the variable %s has no value here; known are ${env.NAME} and ${%s.NAME}", place, found, dynamicProvider)
}

// withVariables is a policy as the agent would see it after all variables have their
// values.
func withVariables(source map[string]any) (map[string]any, error) {
	filled := map[string]any{}
	for name, value := range source {
		switch name {
		case "inputs":
			inputs, err := eachInput(value, dynamicItems(source))
			if err != nil {
				return nil, err
			}
			filled[name] = inputs
		case "outputs":
			one, err := scope{}.fill(name, value)
			if err != nil {
				return nil, err
			}
			filled[name] = one
		}
	}
	return filled, nil
}

// eachInput makes the inputs; those with variables of local_dynamic once per item,
// with the id that the agent gives them.
func eachInput(value any, items []map[string]any) ([]any, error) {
	list, _ := value.([]any)
	var inputs []any
	for i, in := range list {
		place := fmt.Sprintf("inputs[%d]", i)
		scopes := []scope{{}}
		if len(items) > 0 && strings.Contains(fmt.Sprint(in), "${"+dynamicProvider+".") {
			scopes = nil
			for _, item := range items {
				scopes = append(scopes, scope{item})
			}
		}
		for n, s := range scopes {
			one, err := s.fill(place, in)
			if err != nil {
				return nil, err
			}
			if settings, ok := one.(map[string]any); ok && s.item != nil {
				settings["id"] = strings.TrimPrefix(fmt.Sprintf("%s-%s-%d", text(settings["id"], ""), dynamicProvider, n), "-")
			}
			inputs = append(inputs, one)
		}
	}
	return inputs, nil
}

// dynamicItems are the variables of each item.
func dynamicItems(source map[string]any) []map[string]any {
	providers, _ := source["providers"].(map[string]any)
	provider, _ := providers[dynamicProvider].(map[string]any)
	if provider == nil {
		provider, _ = source["providers."+dynamicProvider].(map[string]any)
	}
	list, _ := provider["items"].([]any)
	var items []map[string]any
	for _, entry := range list {
		item, _ := entry.(map[string]any)
		if vars, ok := item["vars"].(map[string]any); ok {
			items = append(items, vars)
		}
	}
	return items
}

// literal is a value whose dollar signs are no variables to the library that reads it
// next.
func literal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = literal(v[name])
		}
	case []any:
		for i := range v {
			v[i] = literal(v[i])
		}
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	}
	return v
}
