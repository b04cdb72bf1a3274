package engine

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"
)

// finalPipeline is Fleet's, as far as the engine has its processors: the one
// that asks who made the API key is missing, so every agent's id is unproven.
const (
	finalPipeline     = ".fleet_final_pipeline-1"
	finalPipelineBody = `{"processors":[
{"set":{"field":"event.ingested","value":"{{{_ingest.timestamp}}}"}},
{"script":{"lang":"painless","source":"def t = ZonedDateTime.parse(ctx.event.ingested); ctx.event.ingested = t.withNano(0).format(DateTimeFormatter.ISO_INSTANT);"}},
{"set":{"field":"event.agent_id_status","value":"auth_metadata_missing"}},
{"set":{"if":"ctx.agent?.id == null","field":"event.agent_id_status","value":"missing"}},
{"remove":{"if":"ctx?.tags == null || !(ctx.tags.contains('preserve_original_event'))","field":"event.original","ignore_missing":true}}]}`
)

func final(t testing.TB) map[string]any {
	t.Helper()
	var pipeline map[string]any
	if err := json.Unmarshal([]byte(finalPipelineBody), &pipeline); err != nil {
		t.Fatal(err)
	}
	return pipeline
}

// known is a pipeline without the processors that the engine does not have, such
// as geoip.
func (e *Engine) known(t testing.TB, pipeline map[string]any) map[string]any {
	t.Helper()
	var answer struct {
		Nodes map[string]struct {
			Ingest struct{ Processors []struct{ Type string } }
		}
	}
	e.Call(t, http.MethodGet, "/_nodes/ingest", nil, &answer)
	has := map[string]bool{}
	for _, node := range answer.Nodes {
		for _, p := range node.Ingest.Processors {
			has[p.Type] = true
		}
	}
	left := maps.Clone(pipeline)
	for _, part := range []string{"processors", "on_failure"} {
		processors, _ := pipeline[part].([]any)
		left[part] = slices.DeleteFunc(slices.Clone(processors), func(p any) bool { return !runs(p, has) })
	}
	if len(left["on_failure"].([]any)) == 0 {
		delete(left, "on_failure") // an empty one is refused
	}
	return left
}

// runs reports whether the engine has a processor, and the one inside of it.
func runs(processor any, has map[string]bool) bool {
	node, _ := processor.(map[string]any)
	for kind, v := range node {
		if !has[kind] {
			return false
		}
		settings, _ := v.(map[string]any)
		if inner, ok := settings["processor"]; ok && !runs(inner, has) {
			return false
		}
	}
	return true
}
