package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/gofrs/uuid/v5"
	"golang.org/x/term"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

const byHand = `this is an input component of Elastic Agent, which starts it and writes connection
details to its standard input; there were none. To try it by hand:
  defender-endpoint demo               the whole way, on a simulated tenant
  defender-endpoint run -c policy.yml  collect with a policy of your own
  defender-endpoint --help             everything else`

// underAgent serves the agent that spawned this process.
func underAgent(ctx context.Context, stdin *os.File, s settings) error {
	if term.IsTerminal(int(stdin.Fd())) {
		return &exitError{2, errors.New(byHand)}
	}
	v2, _, err := client.NewV2FromReader(stdin, client.VersionInfo{Name: "defender-endpoint", BuildHash: version})
	if errors.Is(err, client.ErrV2Unavailable) {
		return &exitError{2, errors.New(byHand)}
	}
	if err != nil {
		return &exitError{2, fmt.Errorf("read connection details from standard input: %w\n%s", err, byHand)}
	}
	level := new(slog.LevelVar)
	log := newLog(os.Stderr, level)
	cursors, err := openCursors(log, s.dataPath())
	if err != nil {
		return err
	}
	defer cursors.close()
	c := component.New(component.Options{
		Input:    newInput(s.dataPath()),
		Cursors:  cursors,
		Log:      log,
		Level:    level,
		Agent:    agentOf(v2),
		OnOutput: cursors.onOutput,
	})
	log.Info("started", "version", version)
	for _, stray := range s.strays() {
		log.Warn("unknown setting on the command line", "setting", stray)
	}
	defer log.Info("stopped")
	defer followUpgrades(ctx, log)()
	defer watching{c.Overview, cursors.dir, os.Getenv(metricsVariable), log}.start(ctx)()
	return component.RunUnderAgent(ctx, v2, c)
}

// newInput makes the input; request traces go beside the state.
func newInput(dataPath string) *defender.Input {
	input := defender.New(version)
	input.Traces = filepath.Join(dataPath, "logs")
	return input
}

// agentOf names the collector as the agent knows itself.
func agentOf(v2 client.V2) func() inputs.Agent {
	host, _ := os.Hostname()
	ephemeral := uuid.Must(uuid.NewV4()).String()
	return func() inputs.Agent {
		a := inputs.Agent{Name: host, Type: "defender-endpoint", Version: version, EphemeralID: ephemeral}
		if info := v2.AgentInfo(); info != nil {
			a.ID, a.Version, a.Snapshot = info.ID, info.Version, info.Snapshot
		}
		return a
	}
}
