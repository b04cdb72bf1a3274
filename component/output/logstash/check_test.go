package logstash

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	lumber "github.com/elastic/go-lumber/client/v2"
	server "github.com/elastic/go-lumber/server/v2"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
)

// quietPeers take an empty window and do not answer it.
var quietPeers = map[string]func(t *testing.T) (settings map[string]any){
	"an input before 6.7.0": func(t *testing.T) map[string]any {
		return settingsOf(t, start(t, logstashtest.Options{Security: logstashtest.TLS, Before670: true}))
	},
	"go-lumber's server": func(t *testing.T) map[string]any {
		l := listen(t)
		s, err := server.NewWithListener(l)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return map[string]any{"hosts": l.Addr().String()}
	},
	"a web server": func(t *testing.T) map[string]any {
		s := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		return map[string]any{"hosts": s.Listener.Addr().String()}
	},
	"a web server with TLS": func(t *testing.T) map[string]any {
		s := httptest.NewTLSServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		return map[string]any{"hosts": s.Listener.Addr().String(), "ssl": map[string]any{"verification_mode": "none"}}
	},
}

// TestCheckSendsAnEmptyWindow: the answer is the proof of a Logstash, and who keeps
// quiet is told of.
func TestCheckSendsAnEmptyWindow(t *testing.T) {
	s := start(t, logstashtest.Options{Security: logstashtest.ClientCertificates})
	found, err := Check(deadline(t), settingsOf(t, s), nil)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "a beats input", output.Finding{Unasked: true}, found)
	compare(t, "seen", logstashtest.Stats{Connections: 1}, stats(s))
	for name, peer := range quietPeers {
		if testing.Short() && name != "a web server with TLS" {
			continue // each is waited for, for two seconds
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := peer(t)
			found, err := Check(deadline(t), settings, nil)
			if err != nil || !strings.Contains(found.Warning, fmt.Sprint(hostOf(settings))+" takes connections and does not answer") {
				t.Errorf("found %+v, %v", found, err)
			}
		})
	}
}

// TestCheckNamesEveryQuietHost, and not those that answer.
func TestCheckNamesEveryQuietHost(t *testing.T) {
	var hosts []any
	for _, o := range []logstashtest.Options{{Before670: true}, {}, {Before670: true}} {
		hosts = append(hosts, hostOf(settingsOf(t, start(t, o))))
	}
	found, err := Check(deadline(t), map[string]any{"hosts": hosts}, nil)
	want := fmt.Sprintf("%s, %s take connections and do not answer a window of no events", hosts[0], hosts[2])
	if err != nil || !strings.HasPrefix(found.Warning, want) || strings.Contains(found.Warning, fmt.Sprint(hosts[1])) {
		t.Errorf("found %+v, %v", found, err)
	}
}

func hostOf(settings map[string]any) any {
	if list, ok := settings["hosts"].([]any); ok {
		return list[0]
	}
	return settings["hosts"]
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestEmptyWindowHasNoEffect on the window behind it.
func TestEmptyWindowHasNoEffect(t *testing.T) {
	for name, before := range map[string]bool{"answered": false, "not answered": true} {
		t.Run(name, func(t *testing.T) {
			s := start(t, logstashtest.Options{Before670: before})
			conn, err := net.Dial("tcp", fmt.Sprint(hostOf(settingsOf(t, s))))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(emptyWindow); err != nil {
				t.Fatal(err)
			}
			if !before {
				answer := make([]byte, len(signOfLife))
				if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != string(signOfLife) {
					t.Errorf("answered %q, %v", answer, err)
				}
			}
			client, err := lumber.NewWithConn(conn, lumber.Timeout(5*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			event := map[string]any{"@timestamp": "2026-01-01T00:00:00Z", "@metadata": map[string]any{"type": "_doc", "_id": "a", "raw_index": target.Name()}}
			if err := client.Send([]any{event}); err != nil {
				t.Fatal(err)
			}
			if n, err := client.AwaitACK(1); n != 1 || err != nil {
				t.Errorf("acknowledged %d, %v", n, err)
			}
			compare(t, "stored", 1, len(s.Documents(target.Name())))
		})
	}
}

// TestCheckOfWhatIsNoLogstash: what does not listen, what says something else, and
// what does not stay.
func TestCheckOfWhatIsNoLogstash(t *testing.T) {
	for name, tt := range map[string]struct {
		says   string // empty: the connection ends
		reason output.Reason
		want   string
	}{
		"speaks first":       {"220 mail.example ESMTP\r\n", output.Server, "does not speak the Beats protocol"},
		"says little":        {"?", output.Server, "does not speak the Beats protocol"},
		"another answer":     {"2A\x00\x00\x00\x07", output.Server, "does not speak the Beats protocol"},
		"an alert of TLS":    {"\x15\x03\x01\x00\x02\x02\x0a", output.NoTLS, "set ssl"},
		"accepts and closes": {"", output.Server, "closes connections"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, ended := listen(t), make(chan struct{})
			go func() {
				defer close(ended)
				if c, err := l.Accept(); err == nil {
					if fmt.Fprint(c, tt.says); tt.says != "" {
						_, _ = io.Copy(io.Discard, c)
					}
					c.Close()
				}
			}()
			_, err := Check(deadline(t), map[string]any{"hosts": l.Addr().String()}, nil)
			if output.ReasonOf(err) != tt.reason || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("found %v, want %s with %q", err, tt.reason, tt.want)
			}
			<-ended
		})
	}
	l := listen(t)
	l.Close()
	settings := map[string]any{"hosts": l.Addr().String()}
	if _, err := Check(deadline(t), settings, nil); output.ReasonOf(err) != output.Unreachable || strings.Contains(fmt.Sprint(err), "->") {
		t.Errorf("what does not listen: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ended, settings, nil); err == nil {
		t.Error("a check that was ended says that all is well")
	}
}
