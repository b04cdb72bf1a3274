package policy

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/config"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Reader decodes the settings of one part of a policy, such as an output, and
// collects what is wrong with them. A setting that cannot be decoded keeps its
// default.
type Reader struct {
	tree   *config.C
	faults []error
	named  map[string]bool // settings that have a fault
}

// Of reads settings as the policy has them; keys may be dotted or nested. Nulls
// mean "not set".
func Of(source map[string]any) *Reader {
	r := &Reader{tree: config.NewConfig(), named: map[string]bool{}}
	tree, err := config.NewConfigFrom(literal(source))
	if err != nil {
		r.fault("settings", reason(err))
		return r
	}
	r.tree = tree
	return r
}

// Over reads settings that are at two places, such as an input and its stream:
// those of the inner place win. A setting is taken whole, lists and objects
// included; only the objects in joined are put together from both.
func Over(outer, inner map[string]any, joined ...string) *Reader {
	r, over := Of(outer), Of(inner)
	r.faults = append(r.faults, over.faults...)
	for _, name := range over.tree.GetFields() {
		if !r.tree.HasField(name) || slices.Contains(joined, name) {
			continue
		}
		if _, err := r.tree.Remove(name, -1); err != nil {
			r.fault(name, reason(err))
		}
	}
	if err := r.tree.Merge(over.tree); err != nil {
		r.fault("settings", reason(err))
	}
	return r
}

// Decode sets the fields of a struct by their config tags, which name settings,
// dotted where they are nested. It decodes one field after the other, so that
// one fault does not hide the next.
func (r *Reader) Decode(to any) { r.decode(reflect.ValueOf(to).Elem()) }

func (r *Reader) decode(target reflect.Value) {
	for i := range target.NumField() {
		field := target.Type().Field(i)
		name, option, _ := strings.Cut(field.Tag.Get("config"), ",")
		switch {
		case option == "inline":
			r.decode(target.Field(i))
			continue
		case name == "" || field.Name == "_" || option == "ignore":
			continue
		}
		one := reflect.New(reflect.StructOf([]reflect.StructField{field}))
		value := one.Elem().Field(0)
		value.Set(target.Field(i))
		if !r.fits(name, field.Type) {
			r.fault(name, errors.New(wanted(field.Type)))
			continue
		}
		if err := r.tree.Unpack(one.Interface()); err != nil {
			r.undecoded(name, value.Interface(), err)
			continue
		}
		target.Field(i).Set(value)
	}
}

// undecoded notes that a setting cannot be decoded. value is as much as was.
func (r *Reader) undecoded(name string, value any, err error) {
	if ssl, ok := value.(*tlscommon.Config); ok && !mismatch.MatchString(reason(err).Error()) {
		var library interface{ Reason() error }
		why := err
		if errors.As(err, &library) {
			why = library.Reason()
		}
		switch {
		case errors.Is(why, tlscommon.ErrKeyUnspecified):
			r.fault(name+".key", errors.New("missing, certificate needs it"))
		case errors.Is(why, tlscommon.ErrCertificateUnspecified):
			r.fault(name+".certificate", errors.New("missing, key needs it"))
		default:
			r.add(name, inputs.SSLFault(ssl, reason(err)))
		}
		r.named[name] = true
		return
	}
	if _, ok := value.(time.Duration); ok {
		r.add(name, fmt.Errorf("%s: want a duration such as 30s, 5m or 24h", name))
		return
	}
	setting, kind := name, reflect.TypeOf(value)
	var in interface{ Path() string }
	if errors.As(err, &in) && strings.HasPrefix(in.Path(), name+".") {
		setting = in.Path()
		kind = typeAt(kind, setting[len(name)+1:])
	}
	r.named[name] = true
	if want := wanted(kind); want != "" && mismatch.MatchString(err.Error()) {
		err = errors.New(want)
	}
	r.fault(setting, reason(err))
}

// Check notes a fault of a setting unless ok. A setting has one fault: what could
// not be decoded is not compared with limits.
func (r *Reader) Check(ok bool, setting, want string) {
	if !ok && !r.hasFault(setting) {
		r.fault(setting, errors.New(want))
	}
}

// fault notes what is wrong with a setting.
func (r *Reader) fault(setting string, err error) { r.add(setting, fmt.Errorf("%s: %w", setting, err)) }

// Named notes faults that name their setting themselves, before a colon; nil is none.
// It may note several of one setting, but none of one that could not be decoded.
func (r *Reader) Named(faults ...error) {
	for _, err := range faults {
		if err == nil {
			continue
		}
		if setting, _, _ := strings.Cut(err.Error(), ":"); !r.hasFault(setting) {
			r.faults = append(r.faults, err)
		}
	}
}

// Has reports whether the policy has a setting, be it with the value of a default.
func (r *Reader) Has(setting string) bool { return r.tree.HasField(setting) }

// hasFault reports whether a setting, or what contains it, has a fault already.
func (r *Reader) hasFault(setting string) bool {
	for {
		if r.named[setting] {
			return true
		}
		dot := strings.LastIndexByte(setting, '.')
		if dot < 0 {
			return false
		}
		setting = setting[:dot]
	}
}

func (r *Reader) add(setting string, err error) {
	r.named[setting] = true
	r.faults = append(r.faults, err)
}

// Err joins all faults, each naming its setting, in the order they were found.
func (r *Reader) Err() error { return errors.Join(r.faults...) }

// reason is a decoding error without the library's path, which is reported already.
func reason(err error) error {
	text, _, _ := strings.Cut(err.Error(), " accessing '")
	return errors.New(text)
}

// redactionMark begins the keys that the agent adds for its own redaction
// (AGENT.md 3.1).
const redactionMark = "__mark_redact_"

// literal is a copy of settings without nulls and the agent's redaction marks,
// and in which dollar signs are no variables.
func literal(source map[string]any) map[string]any {
	kept := make(map[string]any, len(source))
	for name, v := range source {
		if v != nil && !strings.HasPrefix(name, redactionMark) {
			kept[name] = literalValue(v)
		}
	}
	return kept
}

func literalValue(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = literalValue(v[i])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = literalValue(v[i])
		}
		return out
	case map[string]any:
		return literal(v)
	default:
		return v
	}
}
