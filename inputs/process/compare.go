package process

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// newEquals compares a field, or any element of a list.
func newEquals(path string, leaf any) (string, comparison, error) {
	want, err := scalar(leaf)
	return path, func(field jsontext.Value) bool {
		return anyOf(field, func(v jsontext.Value) bool { return same(v, want) })
	}, err
}

// newContains looks for a part of a text, or an element of a list.
func newContains(path string, leaf any) (string, comparison, error) {
	want, err := scalar(leaf)
	return path, func(field jsontext.Value) bool {
		if field.Kind() == '"' && want.Kind() == '"' {
			return strings.Contains(ecs.Unquote(field), ecs.Unquote(want))
		}
		return anyOf(field, func(v jsontext.Value) bool { return same(v, want) })
	}, err
}

// newRegexp is true where a text, or any in a list, has a match of Go's regular
// expression in it.
func newRegexp(path string, leaf any) (string, comparison, error) {
	text, ok := leaf.(string)
	pattern, err := regexp.Compile(text)
	if !ok || err != nil {
		return path, nil, errors.New("want a regular expression as Go and Beats have them (RE2)")
	}
	return path, func(field jsontext.Value) bool {
		return anyOf(field, func(v jsontext.Value) bool { return v.Kind() == '"' && pattern.MatchString(ecs.Unquote(v)) })
	}, nil
}

// bounds are what a range may ask of a number.
var bounds = map[string]func(field, bound float64) bool{
	"lt": func(f, b float64) bool { return f < b }, "lte": func(f, b float64) bool { return f <= b },
	"gt": func(f, b float64) bool { return f > b }, "gte": func(f, b float64) bool { return f >= b },
}

// newRange is true of numbers within bounds, which follow a field's name.
func newRange(path string, leaf any) (string, comparison, error) {
	i := strings.LastIndex(path, ".")
	compare := bounds[path[i+1:]]
	raw, _ := leaf.(jsontext.Value)
	bound, ok := number(raw)
	if i < 0 || compare == nil || !ok {
		return path, nil, errors.New("want lt, lte, gt or gte behind a field, and a number")
	}
	return path[:i], func(field jsontext.Value) bool {
		return anyOf(field, func(v jsontext.Value) bool {
			f, ok := number(v)
			return ok && compare(f, bound)
		})
	}, nil
}

func number(v jsontext.Value) (float64, bool) {
	if v.Kind() != '0' {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}

// networks are the names that Beats have for kinds of addresses.
var networks = map[string]func(netip.Addr) bool{
	"loopback": netip.Addr.IsLoopback, "unicast": netip.Addr.IsGlobalUnicast, "global_unicast": netip.Addr.IsGlobalUnicast,
	"link_local_unicast": netip.Addr.IsLinkLocalUnicast, "interface_local_multicast": netip.Addr.IsInterfaceLocalMulticast,
	"link_local_multicast": netip.Addr.IsLinkLocalMulticast, "multicast": netip.Addr.IsMulticast, "unspecified": netip.Addr.IsUnspecified,
	"private": netip.Addr.IsPrivate, "public": isPublic,
}

func isPublic(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsUnspecified() && !a.IsPrivate() && !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() &&
		!a.IsInterfaceLocalMulticast() && !a.IsMulticast()
}

// newNetwork is true of an address, or any in a list, that is in one of the networks:
// names, or ranges as 10.0.0.0/8.
func newNetwork(path string, leaf any) (string, comparison, error) {
	names, err := textList(leaf)
	if err != nil {
		return path, nil, err
	}
	var wanted []func(netip.Addr) bool
	for _, name := range names {
		is, known := networks[name]
		if prefix, err := netip.ParsePrefix(name); err == nil {
			is, known = prefix.Masked().Contains, true
		}
		if !known {
			return path, nil, fmt.Errorf("%q is no network: want a range such as 10.0.0.0/8, or a name such as private", name)
		}
		wanted = append(wanted, is)
	}
	return path, func(field jsontext.Value) bool {
		return anyOf(field, func(v jsontext.Value) bool {
			address, err := netip.ParseAddr(ecs.Unquote(v))
			if v.Kind() != '"' || err != nil {
				return false
			}
			for _, is := range wanted {
				if is(address.Unmap().WithZone("")) {
					return true
				}
			}
			return false
		})
	}, nil
}

// scalar is a value to compare with.
func scalar(leaf any) (jsontext.Value, error) {
	var v ecs.Value
	switch leaf := leaf.(type) {
	case string:
		v = ecs.Text(leaf)
	case bool:
		v = ecs.Bool(leaf)
	case jsontext.Value:
		v = ecs.Scalar(leaf)
	}
	if !v.Present() {
		return nil, errors.New("want a string that is not empty, a number or a boolean")
	}
	return v.AppendJSON(nil), nil
}

// same compares values of one JSON type: 1 is 1.0 but neither is "1".
func same(a, b jsontext.Value) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	x, y := ecs.Unquote(a), ecs.Unquote(b)
	if b.Kind() != '0' || x == y {
		return x == y
	}
	_, err := strconv.ParseInt(x, 10, 64)
	_, err2 := strconv.ParseInt(y, 10, 64)
	if err == nil && err2 == nil {
		return false // a float could not distinguish large ones
	}
	f, ok := number(a)
	g, ok2 := number(b)
	return ok && ok2 && f == g
}
