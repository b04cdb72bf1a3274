package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// judge holds a document against the declared fields, as strictly as nobody
// does in production: a number in a keyword is a fault.
func (s Stream) judge(d Document) []Fault {
	decoder := json.NewDecoder(bytes.NewReader(d.JSON))
	decoder.UseNumber()
	var root map[string]any
	if err := decoder.Decode(&root); err != nil {
		return []Fault{{Kind: WrongType, Target: d.Target, Type: "object", Source: d.Source, Detail: err.Error()}}
	}
	j := judgement{stream: s, document: d}
	j.object("", root)
	return j.faults
}

type judgement struct {
	stream   Stream
	document Document
	faults   []Fault
}

func (j *judgement) fault(kind, field, declared, detail string) {
	j.faults = append(j.faults, Fault{
		Kind: kind, Target: j.document.Target, Field: field, Type: declared, Source: j.document.Source, Detail: detail,
	})
}

func (j *judgement) object(prefix string, o map[string]any) {
	for name, v := range o {
		j.value(prefix+name, v)
	}
}

func (j *judgement) value(name string, v any) {
	f, declared := j.stream.Fields[name]
	switch v := v.(type) {
	case nil:
	case []any:
		for _, e := range v {
			j.value(name, e)
		}
	case map[string]any:
		switch {
		case f.Type == "flattened":
			j.flattened(f, v)
		case slices.Contains([]string{"object", "nested", "geo_point"}, f.Type):
		case declared:
			j.fault(WrongType, name, f.Type, "an object")
		default:
			j.object(name+".", v)
		}
	default:
		if !declared {
			j.fault(Undeclared, name, "", fmt.Sprintf("a value that is a %T", v))
			return
		}
		j.scalar(f, v)
	}
}

// flattened checks that members are texts, or lists of texts, that are indexed
// whole: Lucene keeps name and value in one term of up to 32,766 bytes.
func (j *judgement) flattened(f Field, members map[string]any) {
	for name, v := range members {
		values, isList := v.([]any)
		if !isList {
			values = []any{v}
		}
		for _, v := range values {
			text, isText := v.(string)
			switch {
			case !isText:
				j.fault(WrongType, f.Name, f.Type, fmt.Sprintf("%.100q is a %T", name, v))
			case len(utf16.Encode([]rune(text))) > cmp.Or(f.IgnoreAbove, defaultIgnoreAbove):
				j.fault(TooLong, f.Name, f.Type, fmt.Sprintf("%.100q has %d bytes", name, len(text)))
			case len(f.Name)+len(name)+len(text) > 32_000 || strings.Contains(name, "\x00"):
				j.fault(TooLong, f.Name, f.Type, fmt.Sprintf("the name %.100q", name))
			}
		}
	}
}

func (j *judgement) scalar(f Field, v any) {
	text, isText := v.(string)
	var wrong bool
	switch f.Type {
	case "keyword", "wildcard":
		wrong = !isText
		most := f.limit()
		if f.Index != nil && !*f.Index { // kept in the source only
			break
		}
		if n := len(utf16.Encode([]rune(text))); n > most {
			j.fault(TooLong, f.Name, f.Type, fmt.Sprintf("%d characters, %d are indexed", n, most))
			j.faults[len(j.faults)-1].Limit = most
		}
	case "constant_keyword":
		wrong = !isText || f.Value != "" && text != f.Value
	case "match_only_text", "text":
		wrong = !isText
	case "date":
		_, err := time.Parse(time.RFC3339Nano, text)
		wrong = !isText || err != nil
	case "ip":
		_, err := netip.ParseAddr(text)
		wrong = !isText || err != nil || strings.Contains(text, "%")
	case "long":
		n, isNumber := v.(json.Number)
		_, err := strconv.ParseInt(string(n), 10, 64)
		wrong = !isNumber || err != nil
	case "float":
		n, isNumber := v.(json.Number)
		_, err := strconv.ParseFloat(string(n), 32)
		wrong = !isNumber || err != nil
	case "boolean":
		_, isBool := v.(bool)
		wrong = !isBool
	default:
		j.fault(WrongType, f.Name, f.Type, "a type that this look at documents does not know")
	}
	if wrong {
		j.fault(WrongType, f.Name, f.Type, fmt.Sprintf("%.200v (%T)", v, v))
	}
}
