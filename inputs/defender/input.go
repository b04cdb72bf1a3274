package defender

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// Type is the input's type in a policy.
const Type = "microsoft_defender_endpoint"

// module is event.module, and the vendor's object of all streams but the alerts'.
const module = "microsoft_defender_endpoint"

// Input is the Defender input. Streams and units of the same tenant and
// application share one API client, and with it token, connections and pace.
type Input struct {
	userAgent string
	// Traces is the folder for request traces; without one there are none.
	Traces string
	// Now is the clock; nil is that of the system.
	Now func() time.Time
	// RoundTripper, if set, is used in place of the network: see api.Config.
	RoundTripper http.RoundTripper

	mu      sync.Mutex
	clients []*shared
	paces   map[application]*api.Pace // never removed: anyone who comes back finds what was spent
	reading map[string]inputs.Key     // the streams that run, by what they read
}

// application is what the service counts calls of.
type application struct{ tenant, client string }

// shared is an API client and how many streams use it.
type shared struct {
	config api.Config
	client *api.Client
	users  int
}

// New makes the input; version goes into the User-Agent.
func New(version string) *Input {
	// The form of the name is the one Microsoft asks partners for
	// (API.md 7.10).
	return &Input{userAgent: "MdatpPartner-DefenderEndpoint/" + version, paces: map[application]*api.Pace{}, reading: map[string]inputs.Key{}}
}

// Type implements inputs.Input.
func (in *Input) Type() string { return Type }

func (in *Input) now() func() time.Time {
	if in.Now == nil {
		return time.Now
	}
	return in.Now
}

// Streams implements inputs.Input.
func (in *Input) Streams(u inputs.Unit) ([]inputs.Stream, error) {
	list, ok := u.Source["streams"].([]any)
	if !ok && u.Source["streams"] != nil {
		return nil, errors.New("streams: want a list, each entry beginning with a dash")
	}
	var streams []inputs.Stream
	ids, reading := map[string]bool{}, map[string]string{}
	for i, entry := range list {
		key := inputs.Key{Input: u.ID, Stream: fmt.Sprintf("%s.[%d]", u.ID, i)}
		source, ok := entry.(map[string]any)
		if !ok {
			streams = append(streams, inputs.Stream{Key: key, Fault: fmt.Errorf("streams[%d]: want settings, such as id and data_stream", i)})
			continue
		}
		c, err := decodeConfig(withNamespace(u), source)
		if !c.Enabled {
			continue
		}
		key.Dataset = c.DataStream.Dataset
		if id, _ := source["id"].(string); ids[id] {
			err = errors.Join(fmt.Errorf("id: %s is used twice; give each stream an id of its own", id), err)
		} else if id != "" {
			ids[id], key.Stream = true, id
		}
		if err == nil && key.Dataset != collectorDataset {
			key = keyOf(key.Input, key.Stream, c)
			if other, taken := reading[key.Source]; taken {
				err = fmt.Errorf("streams %s and %s: %w", other, key.Stream, errSameSource)
			} else {
				reading[key.Source] = key.Stream
			}
		}
		if err != nil {
			streams = append(streams, inputs.Stream{Key: key, Fault: err})
			continue
		}
		if key.Dataset == collectorDataset {
			streams = append(streams, in.collectorStream(key, c))
			continue
		}
		stream := in.stream(key, c)
		stream.Notice = joined(stream.Notice, joined(goneNotice(u.Source, source), c.plainNotice()))
		streams = append(streams, stream)
	}
	return streams, nil
}

// joined is two notices, either of which may be empty.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// withNamespace puts the unit's namespace where a stream may overrule it.
func withNamespace(u inputs.Unit) map[string]any {
	if u.Namespace == "" {
		return u.Source
	}
	source := maps.Clone(u.Source)
	delete(source, "data_stream")
	delete(source, "data_stream.namespace")
	source["data_stream"] = map[string]any{"namespace": u.Namespace}
	return source
}

func (in *Input) stream(key inputs.Key, c Config) inputs.Stream {
	w := &watched{config: c, now: in.now()}
	stream := inputs.Stream{
		Key: key, Settings: c, Reads: c.reads(), Interval: c.Interval, Inspect: w.inspect,
		Try: func(ctx context.Context) inputs.Trial { return in.try(ctx, c) },
		Run: func(ctx context.Context, env inputs.Env) error {
			client, release, err := in.client(c)
			if err != nil {
				return err
			}
			defer release()
			pace := in.paceOf(c)
			pace.Keep(env.Cursors, callsKey(c))
			defer settle(ctx, pace)
			env = w.attach(client, env)
			defer w.detach()
			id := &identity{input: in, key: key, config: c, client: client}
			defer id.release()
			return newLoop(c, id, in.now(), w, env).Run(ctx)
		},
	}
	if c.EnableRequestTracer {
		stream.Notice = "the request tracer writes requests and answers to disk; set enable_request_tracer to false when done"
	}
	return stream
}

// client returns the API client for a configuration; release gives it back.
func (in *Input) client(c Config) (client *api.Client, release func(), err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	config := in.apiConfig(c)
	config.Pace = in.pace(c)
	for _, s := range in.clients {
		if reflect.DeepEqual(s.config, config) {
			s.users++
			return s.client, func() { in.release(s) }, nil
		}
	}
	client, err = api.New(config)
	if err != nil {
		return nil, nil, err
	}
	s := &shared{config, client, 1}
	in.clients = append(in.clients, s)
	return client, func() { in.release(s) }, nil
}

// pace is that of the tenant and application, for every secret, host
// and unit they are used with. The limits that were configured last hold.
func (in *Input) pace(c Config) *api.Pace {
	limit := api.Limit{PerMinute: c.CallsPerMinute, PerHour: c.CallsPerHour}
	key := application{strings.ToLower(c.TenantID), c.application()}
	p := in.paces[key]
	if p == nil {
		p = api.NewPace(limit)
		in.paces[key] = p
	}
	p.SetLimit(limit)
	return p
}

// paceOf is pace for callers that do not hold the lock.
func (in *Input) paceOf(c Config) *api.Pace {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.pace(c)
}

// settle gives back the calls that a stream did not make. It must not hold up a
// stop: where nothing can be saved they count as made.
func settle(ctx context.Context, p *api.Pace) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	p.Settle(ctx)
}

func (in *Input) release(s *shared) {
	in.mu.Lock()
	defer in.mu.Unlock()
	s.users--
	if s.users > 0 {
		return
	}
	s.client.Close()
	for i := range in.clients {
		if in.clients[i] == s {
			in.clients = append(in.clients[:i], in.clients[i+1:]...)
			return
		}
	}
}

func (in *Input) apiConfig(c Config) api.Config {
	return api.Config{
		LoginURL:     c.LoginURL,
		TenantID:     c.TenantID,
		ClientID:     c.ClientID,
		Credentials:  c.credentials(),
		Cloud:        c.Cloud,
		Scopes:       c.TokenScopes,
		TokenParams:  c.OAuthEndpointParams,
		URL:          c.URL,
		Transport:    c.HTTP,
		Timeout:      c.HTTPClientTimeout,
		UserAgent:    in.userAgent,
		FileHosts:    c.FileHosts,
		TraceFile:    in.traceFile(c),
		RoundTripper: in.RoundTripper,
	}
}

// traceFile is where a tenant's and application's requests are traced to, if
// they are.
func (in *Input) traceFile(c Config) string {
	if !c.EnableRequestTracer || in.Traces == "" {
		return ""
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.TenantID + "\x00" + c.application()))
	return filepath.Join(in.Traces, fmt.Sprintf("http-request-trace-%08x", h.Sum32()))
}

var _ inputs.Input = (*Input)(nil)
