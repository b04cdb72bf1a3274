package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/defender-endpoint/defender-endpoint/component/monitor"
)

// metricsVariable names the address on which metrics are served, under an agent
// and in a run that has no --metrics.
const metricsVariable = "DEFENDER_ENDPOINT_METRICS"

// watching is what a process shows to anyone who looks from outside.
type watching struct {
	source  func() monitor.Overview
	dir     string // of the status file; "" where there is no state directory
	address string // of metrics; "" serves none
	log     *slog.Logger
}

// start shows it until the returned function is called. Trouble with the address
// is no reason to collect nothing: it is in the log.
func (w watching) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	source := func() monitor.Overview {
		o := w.source()
		o.Version = version // not the agent's, which documents have
		return o
	}
	if w.dir != "" {
		running.Go(func() { monitor.Write(ctx, w.dir, source, w.log) })
	}
	running.Go(func() { monitor.Log(ctx, source, w.log) })
	if w.address != "" {
		l, err := monitor.Listen(ctx, w.address)
		if err != nil {
			w.log.Error("metrics are not served", "error", err.Error()+"; name another address in --metrics or $"+metricsVariable)
		} else {
			running.Go(func() { monitor.Serve(ctx, l, source, w.log) })
		}
	}
	return func() {
		cancel()
		running.Wait()
	}
}
