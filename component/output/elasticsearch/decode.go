package elasticsearch

import (
	"errors"
	"strings"
	"time"

	libconfig "github.com/elastic/elastic-agent-libs/config"
)

// decode reads every setting by itself, so that all faults are found.
func decode(source map[string]any) (settings, []error) {
	s := settings{
		Timeout: 90 * time.Second, IdleTimeout: 3 * time.Second, Compression: 1, BulkMax: 1600, Worker: 1,
		LoadBalance: true, BackoffInit: time.Second, BackoffMax: time.Minute,
	}
	r := newReader(source)
	read(r, "hosts", &s.Hosts)
	read(r, "protocol", &s.Protocol)
	read(r, "path", &s.Path)
	read(r, "parameters", &s.Parameters)
	read(r, "headers", &s.Headers)
	read(r, "cloud.id", &s.CloudID)
	read(r, "cloud.auth", &s.CloudAuth)
	read(r, "api_key", &s.APIKey)
	read(r, "username", &s.Username)
	read(r, "password", &s.Password)
	read(r, "proxy_url", &s.ProxyURL)
	read(r, "proxy_headers", &s.ProxyHeaders)
	read(r, "proxy_disable", &s.ProxyDisable)
	read(r, "ssl", &s.TLS)
	read(r, "timeout", &s.Timeout)
	read(r, "idle_connection_timeout", &s.IdleTimeout)
	read(r, "preset", &s.Preset)
	read(r, "compression_level", &s.Compression)
	read(r, "bulk_max_size", &s.BulkMax)
	read(r, "worker", &s.Worker)
	read(r, "workers", &s.Worker)
	read(r, "loadbalance", &s.LoadBalance)
	read(r, "backoff.init", &s.BackoffInit)
	read(r, "backoff.max", &s.BackoffMax)
	read(r, "pipeline", &s.Pipeline)
	s.NonIndexable, _ = r.lookup("non_indexable_policy")
	if v, ok := r.lookup("kerberos"); ok && v != nil {
		s.Kerberos = true
		read(r, "kerberos.enabled", &s.Kerberos)
	}
	return s, r.faults
}

// reader looks settings up in a source whose keys may be dotted or nested.
type reader struct {
	tree   map[string]any
	faults []error
}

func newReader(source map[string]any) *reader {
	r := &reader{}
	c, err := libconfig.NewConfigFrom(literal(source))
	if err == nil {
		err = c.Unpack(&r.tree)
	}
	if err != nil {
		r.faults = append(r.faults, fault("settings", reason(err)))
	}
	return r
}

func (r *reader) lookup(name string) (any, bool) {
	var v any = r.tree
	for part := range strings.SplitSeq(name, ".") {
		node, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = node[part]; !ok {
			return nil, false
		}
	}
	return v, true
}

// read sets *to where the setting is present and not null.
func read[T any](r *reader, name string, to *T) {
	v, ok := r.lookup(name)
	if !ok || v == nil {
		return
	}
	c, err := libconfig.NewConfigFrom(map[string]any{"value": literal(v)})
	if err != nil {
		r.faults = append(r.faults, fault(name, reason(err)))
		return
	}
	var holder struct {
		Value T `config:"value"`
	}
	if err := c.Unpack(&holder); err != nil {
		r.faults = append(r.faults, fault(name, reason(err)))
		return
	}
	*to = holder.Value
}

// reason is a decoding error without the library's path, which is not the
// policy's.
func reason(err error) string {
	var e interface{ Reason() error }
	if errors.As(err, &e) && e.Reason() != nil {
		return e.Reason().Error()
	}
	return err.Error()
}

// literal protects dollar signs: the agent has put in all variables already,
// and a password is to be taken as it stands.
func literal(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = literal(v[i])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = literal(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = literal(v[k])
		}
		return out
	default:
		return v
	}
}
