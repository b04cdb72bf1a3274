package elasticsearch

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// item is what an answer says of one document.
type item struct {
	Status       int
	FailureStore string
	// Backing says that a backing index took or refused it. Where it was refused
	// before it had one, no mapping has seen it.
	Backing bool
	Type    string // of the error; empty where there is none
	Field   string // that the error names; empty where it names none
}

// appendItems appends what a bulk answer says of each document, in the order
// sent, of which there are most. The answer is proven to be JSON first, and then gone
// through without reflection: there is an item for every document.
func appendItems(items []item, answer jsontext.Value, most int) ([]item, error) {
	if !answer.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return items, errNotBulk
	}
	s := ecs.NewScanner(answer)
	err := members(&s, func(name string) error {
		if name != `"items"` {
			s.Value()
			return nil
		}
		if s.Peek() != '[' {
			return errNotBulk
		}
		for s.Enter(); s.More(); {
			var i item
			if err := i.read(&s); err != nil {
				return err
			}
			if len(items) == most {
				return errNotBulk
			}
			items = append(items, i)
		}
		return nil
	})
	return items, err
}

// members calls visit for each member of the object that comes next, which takes
// its value.
func members(s *ecs.Scanner, visit func(name string) error) error {
	if s.Peek() != '{' {
		return errNotBulk
	}
	for s.Enter(); s.More(); {
		if err := visit(ecs.Alias(s.Value())); err != nil {
			return err
		}
	}
	return nil
}

// read reads {"create":{...}}.
func (i *item) read(s *ecs.Scanner) error {
	return members(s, func(action string) error {
		if action != `"create"` {
			s.Value()
			return nil
		}
		return members(s, func(name string) (err error) {
			switch v := s.Value(); name {
			case `"status"`:
				i.Status, err = strconv.Atoi(ecs.Alias(v))
			case `"_index"`:
				i.Backing = strings.HasPrefix(ecs.Alias(v), `".ds-`)
			case `"failure_store"`:
				i.FailureStore, err = word(v)
			case `"error"`:
				err = i.readError(v)
			}
			if err != nil {
				return errNotBulk
			}
			return nil
		})
	})
}

func (i *item) readError(v jsontext.Value) error {
	if v.Kind() == 'n' {
		return nil
	}
	s := ecs.NewScanner(v)
	return members(&s, func(name string) (err error) {
		switch v := s.Value(); name {
		case `"type"`:
			i.Type, err = word(v)
		case `"reason"`:
			if v.Kind() == '"' {
				i.Field = fieldOf(ecs.Unquote(v))
			}
		}
		return err
	})
}

// fieldName is how an error's reason begins that names a field. What is
// further on may be a value.
var fieldName = regexp.MustCompile(`^(?:\[\d+:\d+\] )?` +
	`(?:failed to parse field|object mapping for|mapper|mapping set to strict, dynamic introduction of|Document contains at least one immense term in field)` +
	`(?: \[|=")([A-Za-z0-9_@.-]{1,255})["\]]`)

// fieldOf is the field that a reason names, for people: nothing is decided by it.
func fieldOf(reason string) string {
	if m := fieldName.FindStringSubmatch(reason); m != nil {
		return strings.Clone(m[1])
	}
	return ""
}

// word is a text, copied; null is none.
func word(v jsontext.Value) (string, error) {
	switch v.Kind() {
	case '"':
		return strings.Clone(ecs.Unquote(v)), nil
	case 'n':
		return "", nil
	default:
		return "", errNotBulk
	}
}
