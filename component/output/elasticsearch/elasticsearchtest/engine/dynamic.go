package engine

import "fmt"

// rule is one of the stack's dynamic templates: what a new field becomes by its
// name.
type rule struct {
	paths   []string // path_match; none for all
	mapping map[string]any
	kind    string // match_mapping_type
	match   bool   // the patterns are for the last part of the name alone
}

// flattened is the name of the type.
func (k Kind) flattened() string {
	if k == OpenSearch {
		return "flat_object"
	}
	return "flattened"
}

// rules are those of the stack's component template ecs@mappings, in its order,
// as far as the engines have the types.
func rules(k Kind) []rule {
	searchable := map[string]any{"text": map[string]any{"type": "match_only_text"}}
	typed := func(name string) map[string]any { return map[string]any{"type": name} }
	return []rule{
		{paths: []string{"@timestamp"}, mapping: map[string]any{"type": "date", "ignore_malformed": false}, match: true},
		{paths: []string{"message", "*.message"}, mapping: typed("match_only_text"), kind: "string"},
		{paths: []string{"*event.original"}, mapping: map[string]any{"type": "keyword", "index": false, "doc_values": false}, kind: "string"},
		{paths: []string{"*.x509.public_key_exponent"}, mapping: map[string]any{"type": "long", "index": false, "doc_values": false}, kind: "long"},
		{paths: []string{"ip", "*.ip", "*_ip"}, mapping: typed("ip"), kind: "string"},
		{paths: []string{"*.io.text", "*.message_id", "*registry.data.strings", "*url.path"}, mapping: typed("wildcard"), kind: "string"},
		{paths: []string{"*.body.content", "*url.full", "*url.original"}, mapping: map[string]any{"type": "wildcard", "fields": searchable}, kind: "string"},
		{paths: []string{"*command_line", "*stack_trace"}, mapping: map[string]any{"type": "wildcard", "fields": searchable}, kind: "string", match: true},
		{
			paths: []string{
				"*.title", "*.executable", "*.name", "*.working_directory", "*.full_name", "*file.path", "*file.target_path",
				"*os.full", "*email.subject", "*vulnerability.description", "*user_agent.original",
			},
			mapping: map[string]any{"type": "keyword", "fields": searchable}, kind: "string",
		},
		{
			paths: []string{
				"*.timestamp", "*_timestamp", "*.not_after", "*.not_before", "*.accessed", "created", "*.created", "*.installed",
				"*.creation_date", "*.ctime", "*.mtime", "ingested", "*.ingested", "*.start", "*.end",
				"*.indicator.first_seen", "*.indicator.last_seen", "*.indicator.modified_at", "*threat.enrichments.matched.occurred",
			},
			mapping: typed("date"), kind: "string",
		},
		{paths: []string{"*.score.*", "*_score*"}, mapping: typed("float"), kind: "double"},
		{paths: []string{"*.usage"}, mapping: map[string]any{"type": "scaled_float", "scaling_factor": 1000}, kind: "double"},
		{paths: []string{"*structured_data", "*exports", "*imports"}, mapping: typed(k.flattened()), kind: "object"},
		{mapping: map[string]any{"type": "keyword", "ignore_above": defaultIgnoreAbove}, kind: "string"},
	}
}

// dynamicTemplates are the rules as every engine takes them: one pattern in each.
func dynamicTemplates(k Kind) []any {
	var templates []any
	for i, r := range rules(k) {
		if len(r.paths) == 0 {
			templates = append(templates, map[string]any{
				fmt.Sprint("rule-", i): map[string]any{"match_mapping_type": r.kind, "mapping": r.mapping},
			})
		}
		for j, path := range r.paths {
			template := map[string]any{"mapping": r.mapping, "path_match": path}
			if r.match {
				template = map[string]any{"mapping": r.mapping, "match": path}
			}
			if r.kind != "" {
				template["match_mapping_type"] = r.kind
			}
			templates = append(templates, map[string]any{fmt.Sprint("rule-", i, "-", j): template})
		}
	}
	return templates
}
