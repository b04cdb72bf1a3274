package defender

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

var errSameSource = errors.New("both read the same of one tenant into one data stream, remove one of them")

// isTenantID reports whether a tenant is named by its id, not by a domain.
var isTenantID = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString

// keyOf is the key of a stream: see "Why a checkpoint is found by what is read"
// in the package's doc.
func keyOf(input, stream string, c Config) inputs.Key {
	key := inputs.Key{Input: input, Stream: stream, Dataset: c.DataStream.Dataset}
	key.Source = sourceOf(c, c.TenantID)
	return key
}

// sourceOf names what is read and where it goes: cloud, tenant, resource and
// data stream. A cloud is known by where its tokens come from: one API has
// several hosts.
func sourceOf(c Config, tenant string) string {
	r := resourceOf(c.DataStream.Dataset)
	if r == nil {
		return ""
	}
	target := inputs.Target{DataStream: inputs.DataStream(c.DataStream), Index: c.Index}
	return strings.Join([]string{Type, tenantOf(c, tenant), r.name, target.Name()}, "|")
}

func tenantOf(c Config, tenant string) string {
	cloud := c.LoginURL
	if u, err := url.Parse(c.LoginURL); err == nil {
		cloud = u.Host
	}
	return strings.ToLower(cloud + "/" + tenant)
}

// callsKey is where it is kept how many calls were made as a tenant and
// application, regardless of its streams.
func callsKey(c Config) inputs.Key {
	return inputs.Key{Source: strings.Join([]string{Type, tenantOf(c, c.TenantID), "calls", c.application()}, "|")}
}

// identity finds out what a stream reads, and that no other one does.
type identity struct {
	input  *Input
	key    inputs.Key
	config Config
	client *api.Client

	claimed string // source
	tenant  string // the token's, where the configuration names a domain
}

// claim returns the stream's key. A tenant that is named by a domain is known by
// its token. The error is also that another stream which runs reads the same;
// one that is about to stop soon does not.
func (id *identity) claim(ctx context.Context) (inputs.Key, error) {
	if !isTenantID(id.config.TenantID) {
		tenant, err := id.client.Tenant(ctx)
		if err != nil {
			return id.key, err
		}
		if id.tenant = tenant; tenant != "" {
			id.key.Source = sourceOf(id.config, tenant)
		}
	}
	id.input.mu.Lock()
	defer id.input.mu.Unlock()
	if other, taken := id.input.reading[id.key.Source]; taken && id.claimed == "" {
		return id.key, fmt.Errorf("stream %s of input %s and stream %s of input %s: %w",
			other.Stream, other.Input, id.key.Stream, id.key.Input, errSameSource)
	}
	id.claimed = id.key.Source
	id.input.reading[id.claimed] = id.key
	return id.key, nil
}

// release lets another stream read the same.
func (id *identity) release() {
	id.input.mu.Lock()
	defer id.input.mu.Unlock()
	if id.claimed != "" {
		delete(id.input.reading, id.claimed)
	}
}
