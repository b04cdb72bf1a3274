package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/defender-endpoint/defender-endpoint/component/checkpoint"
	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// cursors is where this process keeps its checkpoints.
type cursors struct {
	inputs.Cursors
	onOutput func(output.Output) // nil unless they are kept behind the output
	dir      string              // state directory; "" where there is none
	close    func()
}

// openCursors chooses Elasticsearch where the agent asks for it, as in an
// agentless pod without a disk, and else files below the data path. A path that
// cannot be used now is no error: streams show it, and continue when it is fixed.
func openCursors(log *slog.Logger, dataPath string) (*cursors, error) {
	if checkpoint.IsAgentless(os.Getenv, defender.Type) {
		log.Info("checkpoints are kept in Elasticsearch")
		store := checkpoint.NewElasticsearch()
		return &cursors{checkpoint.KeepUnsaved(store), behind(store), "", func() {}}, nil
	}
	files, err := checkpoint.Open(dataPath)
	if err != nil {
		return nil, fmt.Errorf("open checkpoints: %w", err)
	}
	return &cursors{checkpoint.KeepUnsaved(files), nil, dataPath, func() { _ = files.Close() }}, nil
}

// behind lets a store use the output's Elasticsearch, where that is one.
func behind(store *checkpoint.Elasticsearch) func(output.Output) {
	return func(out output.Output) {
		client, _ := out.(checkpoint.Client)
		store.Use(client)
	}
}
