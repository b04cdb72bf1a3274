package defendertest

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// valueKind is the type of a property or of a literal.
type valueKind int

const (
	kindNull valueKind = iota
	kindText
	kindNumber
	kindDate
)

// edm is the type's name in the service's messages.
func (k valueKind) edm() string {
	return [...]string{"<null>", "Edm.String", "Edm.Int64", "Edm.DateTimeOffset"}[k]
}

type value struct {
	kind   valueKind
	text   string
	number float64
	time   ticks
}

func (v value) compare(w value) int {
	switch v.kind {
	case kindText:
		return cmp.Compare(v.text, w.text)
	case kindNumber:
		return cmp.Compare(v.number, w.number)
	case kindDate:
		return cmp.Compare(v.time, w.time)
	}
	return 0
}

// comparison is one `property operator literal` of a filter.
type comparison struct {
	property string
	operator string
	literal  value
}

// holds follows OData: null equals null only, and every order with null is
// false.
func (c comparison) holds(v value) bool {
	if v.kind == kindNull || c.literal.kind == kindNull {
		same := v.kind == c.literal.kind
		return c.operator == "eq" && same || c.operator == "ne" && !same
	}
	d := v.compare(c.literal)
	switch c.operator {
	case "eq":
		return d == 0
	case "ne":
		return d != 0
	case "gt":
		return d > 0
	case "ge":
		return d >= 0
	case "lt":
		return d < 0
	}
	return d <= 0
}

// filter is a disjunction of conjunctions; an empty one lets all pass.
type filter [][]comparison

// bounds are the version times outside of which nothing can pass.
func (f filter) bounds(version string) (from, to ticks) {
	from, to = math.MinInt64, math.MaxInt64
	if len(f) != 1 {
		return from, to
	}
	for _, c := range f[0] {
		if c.property != version || c.literal.kind != kindDate {
			continue
		}
		switch c.operator {
		case "eq":
			from, to = max(from, c.literal.time), min(to, c.literal.time)
		case "ge", "gt":
			from = max(from, c.literal.time)
		case "le", "lt":
			to = min(to, c.literal.time)
		}
	}
	return from, to
}

func (f filter) mentions(name string) bool {
	for _, all := range f {
		for _, c := range all {
			if c.property == name {
				return true
			}
		}
	}
	return false
}

// parseFilter reads comparisons joined by and/or, where and binds tighter.
func parseFilter(text string, kind *resource) (filter, error) {
	tokens, err := tokenize(text)
	if err != nil {
		return nil, err
	}
	f := filter{nil}
	for {
		if len(tokens) < 3 {
			return nil, syntaxError(len(text), text)
		}
		c, err := parseComparison(tokens, kind)
		if err != nil {
			return nil, err
		}
		last := len(f) - 1
		f[last] = append(f[last], c)
		if tokens = tokens[3:]; len(tokens) == 0 {
			return f, nil
		}
		switch tokens[0] {
		case "and":
		case "or":
			f = append(f, nil)
		default:
			return nil, syntaxError(strings.LastIndex(text, tokens[0]), text)
		}
		tokens = tokens[1:]
	}
}

func parseComparison(tokens []string, kind *resource) (comparison, error) {
	c := comparison{property: tokens[0], operator: tokens[1]}
	want, known := kind.properties[c.property]
	if !known {
		return c, unknownProperty(c.property, kind)
	}
	// OData's own words for the operators, as its messages have them.
	operators := map[string]string{
		"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan",
		"ge": "GreaterThanOrEqual", "lt": "LessThan", "le": "LessThanOrEqual",
	}
	long, known := operators[c.operator]
	if !known {
		return c, refuse("Unrecognized operator '%s' in filter.", c.operator)
	}
	literal, err := parseLiteral(tokens[2])
	if err != nil {
		return c, err
	}
	c.literal = literal
	if c.property == "InvestigationId" { // as the page spells it
		c.property = "investigationId"
	}
	if literal.kind != want && literal.kind != kindNull {
		return c, refuse("A binary operator with incompatible types was detected. Found operand types '%s' and '%s' for operator kind '%s'.",
			want.edm(), literal.kind.edm(), long)
	}
	return c, nil
}

func parseLiteral(token string) (value, error) {
	switch {
	case token == "null":
		return value{}, nil
	case token[0] == '\'':
		inner := token[1 : len(token)-1]
		return value{kind: kindText, text: strings.ReplaceAll(inner, "''", "'")}, nil
	}
	if n, err := strconv.ParseInt(token, 10, 64); err == nil {
		return value{kind: kindNumber, number: float64(n)}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, token)
	_, fraction, _ := strings.Cut(token, ".")
	if err != nil || strings.ContainsAny(token, ",tz") || len(strings.TrimRight(fraction, "Z")) > 7 {
		return value{}, refuse("Unrecognized 'Edm.String' literal '%s' in '%s'.", token, token)
	}
	return value{kind: kindDate, time: toTicks(t)}, nil
}

// tokenize splits at spaces, except inside quotes.
func tokenize(text string) ([]string, error) {
	var tokens []string
	for i := 0; i < len(text); {
		switch {
		case text[i] == ' ':
			i++
		case strings.IndexByte("()", text[i]) >= 0:
			return nil, syntaxError(i, text)
		default:
			n, err := tokenLength(text[i:])
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, text[i:i+n])
			i += n
		}
	}
	return tokens, nil
}

func tokenLength(text string) (int, error) {
	if text[0] != '\'' {
		if i := strings.IndexAny(text, " ()'"); i >= 0 {
			return i, nil
		}
		return len(text), nil
	}
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			i++ // a doubled quote is one quote
			continue
		}
		return i + 1, nil
	}
	return 0, refuse("There is an unterminated string literal at position %d in '%s'.", len(text), text)
}

func syntaxError(at int, text string) error {
	return refuse("Syntax error at position %d in '%s'.", at, text)
}

func unknownProperty(name string, kind *resource) error {
	return refuse("Could not find a property named '%s' on type '%s'.", name, kind.entity)
}
