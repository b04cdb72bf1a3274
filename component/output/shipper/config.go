package shipper

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// options are the settings of an output unit that matter here.
type options struct {
	// Server is where the shipper listens: unix:///path, npipe:///name
	// (Windows only) or host:port. Required.
	Server string `config:"server"`
	// SSL is as everywhere in Elastic's products. Without it, and with
	// enabled: false, the connection is plain. With enabled: true it is TLS.
	// Without enabled, which is what the agent gives, it is TLS or, over a
	// socket or pipe of this host, what the shipper speaks.
	SSL *tlscommon.Config `config:"ssl"`
	// ServerName is the name in the shipper's certificate. Default: the id of
	// the output unit, which is what the agent puts there.
	ServerName string `config:"ssl.server_name"`
	// Timeout is how long a connection or the answer to a call may take before
	// that is reported. Default 30s; more than 45s is as 45s.
	Timeout time.Duration `config:"timeout"`
	// BulkMax is the most documents in one call. Default 200.
	BulkMax int `config:"bulk_max_size"`
	// BackoffInit and BackoffMax are the pause after trouble: the first (default
	// 1s) and the longest (default 60s).
	BackoffInit time.Duration `config:"backoff.init"`
	BackoffMax  time.Duration `config:"backoff.max"`

	// For a shipper that has an output of its own, and without effect here.
	_ any `config:"queue"`
	_ any `config:"flush_timeout"`
	_ any `config:"max_retries"`
}

// decode reads the settings. The error joins all faults, each naming its
// setting.
func decode(source map[string]any, unitID string) (*options, endpoint, error) {
	s := &options{Timeout: 30 * time.Second, BulkMax: 200, BackoffInit: time.Second, BackoffMax: time.Minute}
	r := policy.Of(source)
	r.Decode(s)
	r.Check(s.Timeout > 0, "timeout", "must be more than 0")
	r.Check(s.BulkMax >= 1, "bulk_max_size", "must be at least 1")
	r.Check(s.BackoffInit > 0, "backoff.init", "must be more than 0")
	r.Check(s.BackoffMax >= s.BackoffInit, "backoff.max", "must not be less than backoff.init")
	e := s.endpoint(r, unitID)
	if err := r.Err(); err != nil {
		return nil, endpoint{}, err
	}
	return s, e, nil
}

func (s *options) endpoint(r *policy.Reader, unitID string) endpoint {
	network, address, want := locate(s.Server)
	r.Check(want == "", "server", want)
	security, err := s.tls(unitID)
	r.Named(err)
	local := network == "unix" || network == "npipe"
	return endpoint{
		network: network, address: address, tls: security,
		orPlain: local && security != nil && s.SSL.Enabled == nil,
	}
}

const wantServer = "must be unix:///path, npipe:///name or host:port"

// locate returns network and address of a server setting, or what is wanted there.
func locate(server string) (network, address, want string) {
	scheme, path, found := strings.Cut(server, "://")
	switch {
	case server == "":
		return "", "", "required, the shipper's address as unix:///path, npipe:///name or host:port"
	case found && scheme == "unix" && path != "":
		return "unix", path, ""
	case found && scheme == "npipe" && strings.Trim(path, "/") != "":
		if !pipes {
			return "", "", "npipe:// works on Windows only"
		}
		return "npipe", server, ""
	case found:
		return "", "", wantServer
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" || port == "" {
		return "", "", wantServer
	}
	return "tcp", server, ""
}

// tls is the client's side of TLS, or nil for a plain connection.
func (s *options) tls(unitID string) (*tls.Config, error) {
	if s.SSL == nil || !s.SSL.IsEnabled() {
		return nil, nil
	}
	name := cmp.Or(s.ServerName, unitID)
	if name == "" { // verification would not look at the name at all
		return nil, errors.New("ssl.server_name: required where the unit has no id")
	}
	loaded, err := tlscommon.LoadTLSConfig(s.SSL, logp.NewNopLogger())
	if err != nil {
		return nil, inputs.SSLFault(s.SSL, err)
	}
	client := loaded.BuildModuleClientConfig(name, tlscommon.WithLogger(logp.NewNopLogger()))
	client.NextProtos = []string{"h2"} // gRPC's servers demand it
	return client, nil
}
