package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// demoOptions are the demo's flags.
type demoOptions struct {
	alerts, machines, actions, rows int

	seed   uint64
	output string
	limit  time.Duration
}

func newDemo() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole way on a simulated tenant",
		Long: `demo starts a simulated Defender tenant, an Elasticsearch or shipper in memory and the
agent's end of the control protocol, spawns this program as Elastic Agent would, and
prints every document that arrives to standard output, one JSON object a line.`,
		Example: `  defender-endpoint demo
  defender-endpoint demo --alerts 1000 --output shipper > documents.ndjson`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.alerts < 0 || o.machines < 0 || o.actions < 0 || o.rows < 0 {
				return usage("demo: --alerts, --machines, --actions and --rows: want 0 or more")
			}
			if o.limit <= 0 {
				return usage("demo: --limit: want a duration of more than 0, such as 5m")
			}
			return demo(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVar(&o.alerts, "alerts", 200, "alerts the tenant has")
	cmd.Flags().IntVar(&o.machines, "machines", 50, "machines the tenant has")
	cmd.Flags().IntVar(&o.actions, "actions", 30, "machine actions the tenant has")
	cmd.Flags().IntVar(&o.rows, "rows", 3, "vulnerabilities, configurations and rules of baselines that each machine has")
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "seed of the simulated data")
	cmd.Flags().StringVar(&o.output, "output", "elasticsearch", "the way out: "+demoOutputs())
	cmd.Flags().DurationVar(&o.limit, "limit", 5*time.Minute, "give up after so long")
	complete(cmd, "output", slices.Sorted(maps.Keys(demoSinks))...)
	return cmd
}

// demo runs this program between a simulated tenant and a fake of the output, and
// fails unless every document arrives.
func demo(ctx context.Context, o demoOptions, stdout, stderr io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	defer func() { // everything else follows from it
		switch {
		case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			err = fmt.Errorf("demo: not all documents had arrived within %s; give it longer with --limit", o.limit)
		case err != nil && ctx.Err() != nil:
			err = errors.New("demo: interrupted before all documents had arrived")
		}
	}()
	tenant := defendertest.New(defendertest.Options{
		Seed: o.seed, Alerts: o.alerts, Machines: o.machines, Actions: o.actions,
		Vulnerabilities: o.rows, Configurations: o.rows, Baselines: o.rows,
	})
	api, stop, err := serve(ctx, tenant)
	if err != nil {
		return err
	}
	defer stop()
	out, err := newDemoSink(ctx, o.output, stdout)
	if err != nil {
		return err
	}
	defer out.close()
	dir, err := os.MkdirTemp("", "defender-endpoint-demo")
	if err != nil {
		return fmt.Errorf("demo: make a folder for its files: %w; name one that this user can write in TMPDIR (Windows: TMP)", err)
	}
	defer os.RemoveAll(dir)
	agent, err := agenttest.New(agenttest.Options{Dir: filepath.Join(dir, "run")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, agent.Close()) }()
	if err := agent.SetUnits(out.unit, demoInput(api)); err != nil {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	started := time.Now()
	if err := agent.Start(ctx, exec.CommandContext(ctx, binary)); err != nil {
		return err
	}
	return watchDemo(ctx, agent, tenant, out, started, stderr)
}

// watchDemo waits for all documents, stops the component and prints what became
// of them.
func watchDemo(ctx context.Context, agent *agenttest.Agent, tenant *defendertest.Tenant, out *demoSink, started time.Time, stderr io.Writer) error {
	records, want := offered(tenant)
	waitErr := agent.Wait(ctx, func(s agenttest.States) bool { return s.All(client.UnitStateHealthy) })
	if waitErr == nil {
		waitErr = out.wait(ctx, want)
	}
	printStates(stderr, agent)
	minimal, bare := lesserForms(agent)
	exit, stopErr := agent.Stop(ctx)
	stored, duplicates := out.result()
	fmt.Fprintf(stderr, "records offered %d, documents expected %d, documents stored %d (in full %d, minimal %d, bare %d), already there %d, %.1f s\n",
		records, want, stored, stored-minimal-bare, minimal, bare, duplicates, time.Since(started).Seconds())
	if exit.Code != 0 && stopErr == nil {
		stopErr = fmt.Errorf("the component exited with code %d", exit.Code)
	}
	if stored != want && waitErr == nil {
		waitErr = fmt.Errorf("%d documents stored, want %d", stored, want)
	}
	return errors.Join(waitErr, stopErr)
}

// lesserForms are how many documents the output unit reports as stored in
// minimal and in bare form.
func lesserForms(agent *agenttest.Agent) (minimal, bare int) {
	p := agent.States()[agenttest.UnitKey{ID: demoOutputID, Type: client.UnitTypeOutput}].Payload
	m, _ := p["minimal"].(float64)
	b, _ := p["bare"].(float64)
	return int(m), int(b)
}

func demoInput(api string) agenttest.Unit {
	return agenttest.Unit{
		ID: "microsoft_defender_endpoint-default-demo", Type: client.UnitTypeInput,
		Config: map[string]any{
			"id": "demo", "type": defender.Type,
			"data_stream": map[string]any{"namespace": "default"},
			"tenant_id":   defendertest.TenantID, "client_id": defendertest.ClientID, "client_secret": defendertest.ClientSecret,
			"url": api, "login_url": api, "file_hosts": []any{"127.0.0.1"},
			"calls_per_minute": 6000, "calls_per_hour": 60000, // the tenant has no quota of the application
			"streams": []any{
				demoStream("log"), demoStream("machine_action"), demoStream("machine"),
				demoStream("vulnerability"), demoStream("configuration"), demoStream("baseline"), demoStream("information_gathering"),
			},
		},
	}
}

func demoStream(name string) map[string]any {
	return map[string]any{"id": "demo-" + name, "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint." + name}}
}

// offered counts what the tenant has, and the documents it should come to: an
// alert is one for each of its evidence items, and software without a known
// vulnerability none.
func offered(tenant *defendertest.Tenant) (records, documents int) {
	for _, resource := range defendertest.Resources() {
		for v := range tenant.Records(resource) {
			records++
			documents += max(1, v.Evidence)
		}
	}
	for _, assessment := range defendertest.Assessments() {
		for row := range tenant.RowBodies(assessment, false) {
			records++
			if !strings.Contains(row, `"cveId":null`) {
				documents++
			}
		}
	}
	return records, documents
}

// serve listens on a free port of the loopback interface.
func serve(ctx context.Context, h http.Handler) (url string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	return "http://" + listener.Addr().String(), func() { server.Close(); serving.Wait() }, nil
}

// printStates shows what each unit went through.
func printStates(w io.Writer, agent *agenttest.Agent) {
	states := agent.States()
	keys := make([]agenttest.UnitKey, 0, len(states))
	for k := range states {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b agenttest.UnitKey) int { return int(b.Type) - int(a.Type) })
	for _, k := range keys {
		former := agenttest.UnitState{State: -1}
		for _, s := range agent.History(k) {
			if s.State == former.State && s.Message == former.Message {
				continue // only the payload changed
			}
			former = s
			fmt.Fprintf(w, "%-55s %-12s %s\n", k, s.State, s.Message)
		}
	}
}
