package defender

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// watched is what others may see of a stream while it runs: for diagnostics and
// for the unit's payload.
type watched struct {
	config Config
	now    func() time.Time
	drift  mapping.Drift

	mu     sync.Mutex
	client *api.Client // nil while the stream does not run
	ways   odata.Ways
}

// asks notes how the API is asked.
func (w *watched) asks(ways odata.Ways) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ways = ways
}

func waysOf(w odata.Ways) map[string]any {
	out := map[string]any{"page_size": w.PageSize, "left_out": append([]string{}, w.LeftOut...)}
	if !w.Since.IsZero() {
		out["since"] = w.Since.UTC().Format(time.RFC3339)
	}
	return out
}

// attach makes a running stream visible, and its reports carry the quota.
func (w *watched) attach(client *api.Client, env inputs.Env) inputs.Env {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.client = client
	env.Reporter = metered{env.Reporter, client, w}
	return env
}

func (w *watched) detach() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.client = nil
}

// metered adds to counters what is left of the quota and when the credentials end,
// and reports their end before it comes.
type metered struct {
	inputs.Reporter
	client *api.Client
	of     *watched
}

func (m metered) Report(err error) {
	if err == nil {
		err = m.of.config.warning(m.client.CredentialsEnd(), m.of.now())
	}
	m.Reporter.Report(err)
}

func (m metered) Count(c inputs.Counts) {
	q := inputs.Quota(m.client.Quota())
	c.Quota, c.CredentialsEnd = &q, m.client.CredentialsEnd()
	m.Reporter.Count(c)
}

// inspect is the stream for diagnostics.
func (w *watched) inspect(saved []byte) map[string]any {
	out := map[string]any{
		"resource":       resourceOf(w.config.DataStream.Dataset).name,
		"configuration":  w.config.shown(),
		"unknown_fields": w.drift.Report(),
		"checkpoint":     checkpointOf(saved),
	}
	w.mu.Lock()
	client, ways := w.client, w.ways
	w.mu.Unlock()
	out["query"] = waysOf(ways)
	if client == nil {
		return out
	}
	quota := client.Quota()
	left := map[string]any{"minute_left": quota.MinuteLeft, "hour_left": quota.HourLeft}
	if !quota.HeldUntil.IsZero() {
		left["held_until"] = quota.HeldUntil.UTC().Format(time.RFC3339)
	}
	for name, q := range client.Families() {
		left[name] = map[string]any{"minute_left": q.MinuteLeft, "hour_left": q.HourLeft}
	}
	out["quota"] = left
	out["requests"] = requestsOf(client.Calls())
	return out
}

func requestsOf(calls []api.PastCall) []any {
	list := make([]any, 0, len(calls))
	for _, c := range calls {
		list = append(list, map[string]any{
			"at": c.At.UTC().Format(time.RFC3339), "method": c.Method, "path": c.Path, "status": c.Status,
			"milliseconds": c.Duration.Milliseconds(), "bytes": c.Bytes,
		})
	}
	return list
}

// checkpointOf reads what the beginning of a checkpoint says of place and time;
// long values are left out.
func checkpointOf(head []byte) map[string]any {
	out := map[string]any{}
	d := jsontext.NewDecoder(bytes.NewReader(head))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return out
	}
	for {
		name, err := d.ReadToken()
		if err != nil || name.Kind() != '"' {
			return out
		}
		member := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return out // cut here
		}
		if member == "place" { // the strategy's own members beside those of the checkpoint
			for name, value := range checkpointOf(value) {
				if _, taken := out[name]; !taken {
					out[name] = value
				}
			}
		} else if len(value) <= 64 {
			out[member] = json.RawMessage(bytes.Clone(value))
		}
	}
}

// shown is the configuration in effect, defaults included, by the settings'
// names. Secrets print as [redacted]; of connection settings only whether they
// are set is shown.
func (c *Config) shown() map[string]any {
	out := map[string]any{}
	v := reflect.ValueOf(*c)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("config"), ",")
		if name == "" {
			continue
		}
		switch value := v.Field(i).Interface().(type) {
		case time.Duration:
			out[name] = value.String()
		case dataStream:
			out[name] = map[string]any{"type": value.Type, "dataset": value.Dataset, "namespace": value.Namespace}
		case map[string][]string:
			out[name] = fmt.Sprintf("%d values", len(value))
		case inputs.Secret:
			out[name] = value.String()
		default:
			out[name] = value
		}
	}
	out["url"], out["login_url"] = host(c.URL), host(c.LoginURL)
	out["processors"], out["fields"] = len(c.Processors), len(c.Fields)
	out["proxy_url"] = c.HTTP.Proxy.URL != nil
	out["proxy_disable"] = c.HTTP.Proxy.Disable
	out["ssl"] = c.HTTP.TLS != nil
	return out
}

// host is a URL without what people hide in one.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "?"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
