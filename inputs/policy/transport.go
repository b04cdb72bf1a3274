package policy

import (
	"time"

	"github.com/elastic/elastic-agent-libs/transport/httpcommon"
	"github.com/elastic/elastic-agent-libs/transport/tlscommon"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Transport are the settings of HTTP connections, by the names that they have
// in all of Elastic's products.
type Transport struct {
	// TLS is as everywhere in Elastic's products. Default: the system's
	// authorities.
	TLS *tlscommon.Config `config:"ssl"`
	// ProxyURL is the proxy, with user and password if need be. Default: that of
	// the environment.
	ProxyURL inputs.Secret `config:"proxy_url"`
	// ProxyHeaders are sent with CONNECT.
	ProxyHeaders map[string]string `config:"proxy_headers"`
	// ProxyDisable uses no proxy, even if the environment names one.
	ProxyDisable bool `config:"proxy_disable"`
	// IdleTimeout is after how long an unused connection is closed. 0 is never.
	IdleTimeout time.Duration `config:"idle_connection_timeout"`
}

// HTTP checks a decoded Transport, its certificates and keys included, and makes
// the library's settings of it. Faults go to r, and quote neither a password nor
// a key.
func (t *Transport) HTTP(r *Reader) httpcommon.HTTPTransportSettings {
	made := httpcommon.HTTPTransportSettings{
		TLS: t.TLS, IdleConnTimeout: t.IdleTimeout,
		Proxy: httpcommon.HTTPClientProxySettings{Headers: t.ProxyHeaders, Disable: t.ProxyDisable},
	}
	if t.ProxyURL != "" {
		u, err := inputs.ParseProxy(t.ProxyURL)
		if err != nil {
			r.Named(err)
		} else {
			made.Proxy.URL = httpcommon.NewProxyURIFromURL(*u)
		}
	}
	r.Named(inputs.CheckSSL(t.TLS))
	r.Check(t.IdleTimeout >= 0, "idle_connection_timeout", "must not be negative")
	return made
}
