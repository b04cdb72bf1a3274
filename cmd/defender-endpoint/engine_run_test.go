package main_test

import (
	"context"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const repository = "../.."

// engineLimit bounds one test against an engine.
const engineLimit = 4 * time.Minute

// happening is something that happens to an engine while the program collects.
type happening struct {
	name string
	// early begins before the data stream exists, and not with documents in it.
	early bool
	// silent trouble is over at once: no unit is expected to show it.
	silent     bool
	begin, end func(t *testing.T, e *engine.Engine, target string)
}

func nothing(*testing.T, *engine.Engine, string) {}

// indexSetting is trouble by a setting of the data stream's indices.
func indexSetting(name string, value any) (begin, end func(*testing.T, *engine.Engine, string)) {
	change := func(v any) func(*testing.T, *engine.Engine, string) {
		return func(t *testing.T, e *engine.Engine, target string) {
			t.Helper()
			e.Settings(t, target, map[string]any{name: v})
		}
	}
	return change(value), change(nil)
}

func happenings() []happening {
	rollover := happening{name: "rollover", silent: true, end: nothing}
	rollover.begin = func(t *testing.T, e *engine.Engine, target string) { e.Rollover(t, target) }
	write := happening{name: "write block"}
	write.begin, write.end = indexSetting("index.blocks.write", true)
	disk := happening{name: "flood stage"} // the block that it sets
	disk.begin, disk.end = indexSetting("index.blocks.read_only_allow_delete", true)
	pipeline := happening{name: pipelineMissing}
	pipeline.begin, pipeline.end = indexSetting("index.default_pipeline", "there-is-none")
	shards := happening{name: "shard limit", early: true}
	shards.begin = func(t *testing.T, e *engine.Engine, _ string) {
		e.Cluster(t, map[string]any{"cluster.max_shards_per_node": 1})
	}
	shards.end = func(t *testing.T, e *engine.Engine, _ string) {
		e.Cluster(t, map[string]any{"cluster.max_shards_per_node": nil})
	}
	killed := happening{name: "kill -9"}
	killed.begin = func(_ *testing.T, e *engine.Engine, _ string) { e.Kill() }
	killed.end = func(t *testing.T, e *engine.Engine, _ string) { e.Restart(t) }
	return []happening{rollover, write, disk, pipeline, shards, killed}
}

const pipelineMissing = "missing pipeline"

// TestEngineRun: the real program, at first alone, then under the agent's end
// while one thing after the other happens to a search engine. Each time all
// documents are there at the end, once, in their full form, and the output is
// healthy.
func TestEngineRun(t *testing.T) {
	e, p := engine.Start(t, engine.Options{}), engine.ReadPackage(t, repository)
	t.Run("once", func(t *testing.T) { testEngineRunOnce(t, e, p) })
	t.Run("forms", func(t *testing.T) { testEngineForms(t, e, p) })
	for _, w := range happenings() {
		namespace := strings.NewReplacer(" ", "_", "-", "").Replace(w.name)
		t.Run(w.name, func(t *testing.T) {
			c := newCollected(t, e, p, namespace, defendertest.Options{Seed: 7, Alerts: 150, EvidencePerAlert: 2})
			if w.early {
				w.begin(t, e, c.target)
			}
			c.begin()
			if !w.early {
				c.waitCount()
				w.begin(t, e, c.target)
				if err := c.tenant.Touch(defendertest.Alerts, c.alertIDs()[:40]...); err != nil {
					t.Fatal(err)
				}
			}
			if !w.silent {
				c.wait("the output tells", func(s agenttest.States) bool { return s[outputKey].State == client.UnitStateDegraded })
				t.Logf("the output tells: %s", c.agent.States()[outputKey].Message)
			}
			w.end(t, e, c.target)
			c.waitCount()
			c.waitHealthy()
			c.stop()
			if w.name == pipelineMissing {
				c.proveBeside()
			} else {
				c.proveFull()
			}
		})
	}
}

// TestEngineLimits: engines that take less in a request, or at a time, than the
// program would send.
func TestEngineLimits(t *testing.T) {
	p := engine.ReadPackage(t, repository)
	for name, settings := range map[string]map[string]string{
		"content length":    {"http.max_content_length": "1mb"},
		"indexing pressure": {"indexing_pressure.memory.limit": "2200kb"},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine.Start(t, engine.Options{Settings: settings})
			c := newCollected(t, e, p, "limits", defendertest.Options{Seed: 8, Alerts: 1500, EvidencePerAlert: 2})
			c.settings = map[string]any{"batch_size": 1000.0}
			c.output.Config["compression_level"] = 0.0
			c.begin()
			c.waitCount()
			c.waitHealthy()
			c.stop()
			c.proveFull()
		})
	}
}

// testEngineRunOnce: `run --once` of all seven streams, some 9,000 documents.
func testEngineRunOnce(t *testing.T, e *engine.Engine, p *engine.Package) {
	in := e.Install(t, p, engine.Installation{Namespace: "default", Strict: true})
	tenant := defendertest.New(defendertest.Options{
		Seed: 1, Alerts: 1800, Machines: 400, Actions: 300, Vulnerabilities: 3, Configurations: 2, Baselines: 2,
	})
	streams := ""
	for _, name := range []string{"machine", "machine_action", "vulnerability", "configuration", "baseline", "information_gathering"} {
		streams += `
      - id: defender-1-` + name + `
        data_stream: {type: logs, dataset: microsoft_defender_endpoint.` + name + `}
        file_hosts: [127.0.0.1]`
	}
	dir, file := writePolicy(t, policy(listen(t, tenant), e.URL)+streams+"\n")
	want := 700
	for _, assessment := range defendertest.Assessments() {
		for row := range tenant.RowBodies(assessment, false) {
			if !strings.Contains(row, `"cveId":null`) { // software without a known vulnerability
				want++
			}
		}
	}
	for v := range tenant.Versions(defendertest.Alerts) {
		want += max(1, v.Evidence)
	}
	ctx, cancel := context.WithTimeout(t.Context(), engineLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "minimal 0 + bare 0") {
		t.Errorf("documents are stored in lesser forms:\n%s", out)
	}
	expectWhole(t, in, want)
}

func expectWhole(t *testing.T, in *engine.Installed, want int) {
	t.Helper()
	r := in.Inspect(t)
	t.Logf("offered %d, stored %d, faults %d", want, r.Stored, len(r.Faults))
	if r.Stored != want {
		t.Errorf("%d documents are stored, want %d", r.Stored, want)
	}
	for _, f := range engine.Distinct(r.Faults) {
		t.Error(f)
	}
}

// collected is a rig whose alerts go into an engine.
type collected struct {
	*rig
	engine    *engine.Engine
	installed *engine.Installed
	namespace string
	target    string
	settings  map[string]any
	output    agenttest.Unit
}

func newCollected(t *testing.T, e *engine.Engine, p *engine.Package, namespace string, o defendertest.Options) *collected {
	t.Helper()
	return newCollectedWith(t, e, p, engine.Installation{Namespace: namespace, Strict: true}, o)
}

func newCollectedWith(t *testing.T, e *engine.Engine, p *engine.Package, in engine.Installation, o defendertest.Options) *collected {
	t.Helper()
	c := &collected{
		rig: newRig(t, o), engine: e, namespace: in.Namespace, target: "logs-microsoft_defender_endpoint.log-" + in.Namespace,
		installed: e.Install(t, p, in), output: elasticsearchUnit(e.URL),
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineLimit)
	t.Cleanup(cancel)
	c.ctx = ctx
	return c
}

func (c *collected) units() []agenttest.Unit {
	settings := map[string]any{"data_stream": map[string]any{"namespace": c.namespace}}
	maps.Copy(settings, c.settings)
	return []agenttest.Unit{c.input(settings), c.output}
}

func (c *collected) begin() {
	c.Helper()
	c.set(c.units()...)
	if err := c.agent.Start(c.ctx, exec.CommandContext(c.ctx, binary)); err != nil {
		c.Fatal(err)
	}
}

// waitCount waits until there are as many documents as there must be.
func (c *collected) waitCount() {
	c.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < c.want(); n = c.engine.Count(c.ctx, c.target) {
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			c.Fatalf("%d documents of %d; states %v; log:\n%s", n, c.want(), c.agent.States(), strings.Join(c.agent.Log(), "\n"))
		}
	}
}

// proveBeside is prove where the index may have come back between the full form of
// a document and a lesser one: that one is beside it then.
func (c *collected) proveBeside() {
	c.Helper()
	lesser := map[string]any{"term": map[string]any{"event.kind": "pipeline_error"}}
	var whole, beside struct{ Count int }
	c.engine.Call(c.T, http.MethodPost, "/"+c.target+"/_count", map[string]any{"query": map[string]any{"bool": map[string]any{"must_not": []any{lesser}}}}, &whole)
	c.engine.Call(c.T, http.MethodPost, "/"+c.target+"/_count", map[string]any{"query": lesser}, &beside)
	if whole.Count != c.want() || beside.Count > 1 {
		c.Errorf("%d documents are whole, want %d; %d lesser ones beside them, want at most 1", whole.Count, c.want(), beside.Count)
	}
	for id, n := range c.engine.IDs(c.T, c.target) {
		if n > 1 {
			c.Errorf("%s is stored %d times", id, n)
		}
	}
}

// proveFull is prove where nothing was refused for good: no document has a lesser
// form in its place.
func (c *collected) proveFull() {
	c.Helper()
	c.prove()
	if n := c.matching("event.kind", "pipeline_error"); n > 0 {
		c.Errorf("%d documents are stored in a lesser form, want none", n)
	}
}

// prove checks that every document is there once, in any of its forms.
func (c *collected) prove() {
	c.Helper()
	var twice []string
	for id, n := range c.engine.IDs(c.T, c.target) {
		if n > 1 {
			twice = append(twice, id)
		}
	}
	if len(twice) > 0 {
		c.Errorf("%d documents are stored twice, such as %s", len(twice), slices.Min(twice))
	}
	expectWhole(c.T, c.installed, c.want())
}
