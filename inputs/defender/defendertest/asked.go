package defendertest

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Option is a part of a list's query, or several joined with |.
type Option uint8

// The options that a collector may use. Each can be refused (Rule.With and
// Rule.Status) and ignored (Rule.Ignore).
const (
	Filter  Option = 1 << iota // $filter, by any property
	OrderBy                    // $orderby
	Top                        // $top
	Skip                       // $skip of more than 0
	Expand                     // $expand
	IDAfter                    // `id gt` or `id ge` in $filter
)

// String is the option as the query spells it.
func (o Option) String() string {
	var names []string
	for i, name := range [...]string{"$filter", "$orderby", "$top", "$skip", "$expand", "id gt"} {
		if o&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}

// asked is what a list request asks for, read without judging it: rules decide
// before the service looks whether a query is valid.
type asked struct {
	options   Option
	top, skip int
	filter    string
}

var idAfter = regexp.MustCompile(`(^|\s)id g[te] `)

func readAsked(raw string) asked {
	values, _ := url.ParseQuery(raw) // what cannot be read is not asked for
	a := asked{filter: values.Get("$filter")}
	a.top, _ = strconv.Atoi(values.Get("$top"))
	a.skip, _ = strconv.Atoi(values.Get("$skip"))
	for option, present := range map[Option]bool{
		Filter: a.filter != "", OrderBy: values.Get("$orderby") != "", Top: values.Has("$top"),
		Skip: a.skip > 0, Expand: values.Get("$expand") != "", IDAfter: idAfter.MatchString(a.filter),
	} {
		if present {
			a.options |= option
		}
	}
	return a
}

// mentions reports whether the filter compares a property.
func (a asked) mentions(property string) bool {
	for word := range strings.FieldsSeq(a.filter) {
		if word == property {
			return true
		}
	}
	return false
}

// meets reports whether a request asks for what a rule is about.
func (a asked) meets(r *Rule) bool {
	return a.options&r.With == r.With && a.options&r.Without == 0 &&
		(r.FilterBy == "" || a.mentions(r.FilterBy)) &&
		(r.TopAbove == 0 || a.top > r.TopAbove) && (r.SkipAbove == 0 || a.skip > r.SkipAbove)
}
