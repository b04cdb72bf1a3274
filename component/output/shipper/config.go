package shipper

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-libs/config"
	"github.com/elastic/elastic-agent-libs/logp"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// settings are the keys read of the output unit. Others are ignored: each
// release of the agent brings new ones. The parts are decoded one by one, so
// that all faults are told at once.
type settings struct {
	connection struct {
		// Server is where the shipper listens: unix:///path, npipe:///name
		// (Windows only) or host:port. Required.
		Server string `config:"server"`
	}
	security struct {
		// SSL is as everywhere in Elastic's products. Without it, and with
		// enabled: false, the connection is plain. With enabled: true it is TLS.
		// Without enabled, which is what the agent gives, it is TLS or, over a
		// socket or pipe of this host, what the shipper speaks.
		SSL *tlscommon.Config `config:"ssl"`
	}
	identity struct {
		SSL struct {
			// ServerName is the name in the shipper's certificate. Default:
			// the id of the output unit, which is what the agent puts there.
			ServerName string `config:"server_name"`
		} `config:"ssl"`
	}
	call struct {
		// Timeout is how long a connection or the answer to a call may take
		// before that is reported. Default 30s; more than 45s is as 45s.
		Timeout time.Duration `config:"timeout"`
	}
	bulk struct {
		// Max is the most documents in one call. Default 200.
		Max int `config:"bulk_max_size"`
	}
	pause struct {
		// Backoff is the pause after trouble: the first (default 1s) and the
		// longest (default 60s).
		Backoff struct {
			Init time.Duration `config:"init"`
			Max  time.Duration `config:"max"`
		} `config:"backoff"`
	}
}

// decode reads the settings. The error joins all faults, each naming its
// setting.
func decode(raw map[string]any, unitID string) (*settings, endpoint, error) {
	s := &settings{}
	s.call.Timeout = 30 * time.Second
	s.bulk.Max = 200
	s.pause.Backoff.Init, s.pause.Backoff.Max = time.Second, time.Minute
	c, err := config.NewConfigFrom(raw)
	if err != nil {
		return nil, endpoint{}, fmt.Errorf("settings: %w", err)
	}
	var faults []error
	for key, part := range map[string]any{
		"server": &s.connection, "ssl": &s.security, "ssl.server_name": &s.identity,
		"timeout": &s.call, "bulk_max_size": &s.bulk, "backoff": &s.pause,
	} {
		if err := c.Unpack(part); err != nil {
			faults = append(faults, s.fault(key, err))
		}
	}
	faults = append(faults, s.check()...)
	e, err := s.endpoint(unitID)
	if faults = append(faults, err); errors.Join(faults...) != nil {
		return nil, endpoint{}, errors.Join(faults...)
	}
	return s, e, nil
}

func (s *settings) check() []error {
	var faults []error
	if s.call.Timeout <= 0 {
		faults = append(faults, errors.New("timeout: must be more than 0"))
	}
	if s.bulk.Max < 1 {
		faults = append(faults, errors.New("bulk_max_size: must be at least 1"))
	}
	if s.pause.Backoff.Init <= 0 {
		faults = append(faults, errors.New("backoff.init: must be more than 0"))
	}
	if s.pause.Backoff.Max < s.pause.Backoff.Init {
		faults = append(faults, errors.New("backoff.max: must not be less than backoff.init"))
	}
	return faults
}

func (s *settings) endpoint(unitID string) (endpoint, error) {
	network, address, err := locate(s.connection.Server)
	security, fault := s.tls(unitID)
	local := network == "unix" || network == "npipe"
	return endpoint{
		network: network, address: address, tls: security,
		orPlain: local && security != nil && s.security.SSL.Enabled == nil,
	}, errors.Join(err, fault)
}

// locate tells network and address of a server setting.
func locate(server string) (network, address string, err error) {
	scheme, path, found := strings.Cut(server, "://")
	switch {
	case server == "":
		return "", "", errors.New("server: required, the shipper's address as unix:///path, npipe:///name or host:port")
	case found && scheme == "unix" && path != "":
		return "unix", path, nil
	case found && scheme == "npipe" && strings.Trim(path, "/") != "":
		if !pipes {
			return "", "", errors.New("server: npipe:// works on Windows only")
		}
		return "npipe", server, nil
	case found:
		return "", "", errors.New("server: must be unix:///path, npipe:///name or host:port")
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" || port == "" {
		return "", "", errors.New("server: must be unix:///path, npipe:///name or host:port")
	}
	return "tcp", server, nil
}

// tls is the client's side of TLS, or nil for a plain connection.
func (s *settings) tls(unitID string) (*tls.Config, error) {
	ssl := s.security.SSL
	if ssl == nil || !ssl.IsEnabled() {
		return nil, nil
	}
	name := s.identity.SSL.ServerName
	if name == "" {
		name = unitID
	}
	if name == "" { // verification would not look at the name at all
		return nil, errors.New("ssl.server_name: required where the unit has no id")
	}
	if err := ssl.Validate(); err != nil {
		return nil, s.fault("ssl", err)
	}
	loaded, err := tlscommon.LoadTLSConfig(ssl, logp.NewNopLogger())
	if err != nil {
		return nil, s.fault("ssl", err)
	}
	client := loaded.BuildModuleClientConfig(name, tlscommon.WithLogger(logp.NewNopLogger()))
	client.NextProtos = []string{"h2"} // gRPC's servers demand it
	return client, nil
}

// fault names a setting.
func (s *settings) fault(key string, err error) error {
	if key == "ssl" {
		return inputs.SSLFault(s.security.SSL, err)
	}
	return fmt.Errorf("%s: %w", key, err)
}
