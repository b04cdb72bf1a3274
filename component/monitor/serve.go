package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
)

// serveLimit bounds how long a reader may take with a question or an answer.
const serveLimit = 10 * time.Second

// Listen opens the address that metrics are served on: unix:///path/of/socket, or
// a loopback address such as 127.0.0.1:9464. Anything else is refused: metrics
// name units and streams, and are served without a password.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	if path, is := strings.CutPrefix(address, "unix://"); is {
		return listenUnix(ctx, config, path)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("metrics address %q: want unix:///path or a loopback address such as 127.0.0.1:9464", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("metrics address %q: want a loopback address such as 127.0.0.1:9464, since nothing protects what is served", address)
	}
	return config.Listen(ctx, "tcp", address)
}

// listenUnix replaces the socket of a process that is gone, and no other file.
func listenUnix(ctx context.Context, config net.ListenConfig, path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path); err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("metrics socket %s: another process serves it", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Serve answers GET /metrics until ctx ends, and closes the listener.
func Serve(ctx context.Context, l net.Listener, source func() Overview, log *slog.Logger) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var text bytes.Buffer
		if err := Metrics(&text, source()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
		_, _ = w.Write(text.Bytes()) // a reader that went away
	})
	server := &http.Server{
		Handler: mux, ReadTimeout: serveLimit, WriteTimeout: serveLimit, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	log.Info("metrics are served", "address", l.Addr().String())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		log.Warn("metrics are no longer served", "error", err.Error())
	}
}
