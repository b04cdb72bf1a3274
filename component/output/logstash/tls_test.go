package logstash

import (
	"context"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
)

// tlsCases are the ways in which the two sides may not agree, and those in which
// they do.
func tlsCases(t *testing.T) map[string]struct {
	server logstashtest.Security
	alter  func(settings map[string]any)
	works  bool
	reason output.Reason
	says   string
} {
	other := settingsOf(t, start(t, logstashtest.Options{Security: logstashtest.ClientCertificates}))["ssl"].(map[string]any)
	ssl := func(settings map[string]any) map[string]any { return settings["ssl"].(map[string]any) }
	type c = struct {
		server logstashtest.Security
		alter  func(settings map[string]any)
		works  bool
		reason output.Reason
		says   string
	}
	return map[string]c{
		"plain":               {works: true},
		"TLS":                 {server: logstashtest.TLS, works: true},
		"client certificates": {server: logstashtest.ClientCertificates, works: true},
		"no verification": {server: logstashtest.TLS, works: true, alter: func(s map[string]any) {
			s["ssl"] = map[string]any{"verification_mode": "none"}
		}},
		"certificate verification, another name": {server: logstashtest.TLS, works: true, alter: func(s map[string]any) {
			s["hosts"] = strings.Replace(s["hosts"].([]any)[0].(string), "localhost", "127.0.0.1", 1)
			ssl(s)["verification_mode"] = "certificate"
		}},
		"another name": {server: logstashtest.TLS, reason: output.NoTLS, says: "127.0.0.1", alter: func(s map[string]any) {
			s["hosts"] = strings.Replace(s["hosts"].([]any)[0].(string), "localhost", "127.0.0.1", 1)
		}},
		"another authority": {server: logstashtest.TLS, reason: output.NoTLS, says: "unknown authority", alter: func(s map[string]any) {
			ssl(s)["certificate_authorities"] = other["certificate_authorities"]
		}},
		"no client certificate": {server: logstashtest.ClientCertificates, reason: output.NoTLS, says: "ssl.certificate", alter: func(s map[string]any) {
			delete(ssl(s), "certificate")
			delete(ssl(s), "key")
		}},
		"client certificate of another authority": {server: logstashtest.ClientCertificates, reason: output.NoTLS, says: "ssl.certificate", alter: func(s map[string]any) {
			ssl(s)["certificate"], ssl(s)["key"] = other["certificate"], other["key"]
		}},
		"TLS to plain": {reason: output.NoTLS, says: "ssl.enabled: false", alter: func(s map[string]any) { s["ssl"] = other }},
		"plain to TLS": {server: logstashtest.TLS, reason: output.Server, says: "set ssl", alter: func(s map[string]any) { delete(s, "ssl") }},
	}
}

func TestTLS(t *testing.T) {
	for name, tt := range tlsCases(t) {
		t.Run(name, func(t *testing.T) {
			s, r := start(t, logstashtest.Options{Security: tt.server}), newReporter()
			settings := settingsOf(t, s)
			if tt.alter != nil {
				tt.alter(settings)
			}
			ctx, cancel := context.WithCancel(deadline(t))
			defer cancel()
			if _, err := Check(ctx, settings, nil); (err == nil) != tt.works || err != nil && (output.ReasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("check says %v", err)
			}
			extra := map[string]any{"hosts": settings["hosts"], "ssl": settings["ssl"]}
			done := publish(ctx, connect(t, s, r, extra), batch(0, 3))
			err := <-r.changed
			if (err == nil) != tt.works {
				t.Fatalf("reported %v", err)
			}
			if tt.works {
				compare(t, "published", nil, <-done)
				return
			}
			if output.ReasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("reported %v, want %s with %q", err, tt.reason, tt.says)
			}
			cancel()
			<-done
		})
	}
}
