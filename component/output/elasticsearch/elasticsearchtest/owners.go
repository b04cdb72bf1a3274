package elasticsearchtest

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
)

// Owned is a data stream that Fleet knows: it exists, or with Planned an index
// template for it does. Package is in its metadata, Pipeline is what its documents
// go through.
type Owned struct {
	Planned           bool
	Package, Pipeline string
}

// owner answers requests for data streams, their settings and templates, and reports
// whether the request was one.
func (e *Server) owner(w http.ResponseWriter, r *http.Request) bool {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	ofTemplates := parts[0] == "_index_template" || parts[0] == "_component_template"
	if len(parts) < 2 || !ofTemplates && parts[0] != "_data_stream" && parts[1] != "_settings" {
		return false
	}
	if e.options.NoTemplates && ofTemplates || e.options.NoOwners && !ofTemplates {
		refuse(w, http.StatusForbidden)
		return true
	}
	for name, o := range e.options.Owned {
		meta := map[string]any{"_meta": map[string]any{"package": map[string]string{"name": o.Package}}}
		var answer any
		switch {
		case parts[0] == "_data_stream" && parts[1] == name && !o.Planned:
			answer = map[string]any{"data_streams": []any{meta}}
		case parts[0] == "_index_template" && strings.HasPrefix(name, parts[1]+"-"):
			answer = map[string]any{"index_templates": []any{map[string]any{"name": parts[1], "index_template": meta}}}
		case parts[0] == "_component_template" && strings.HasPrefix(name, strings.TrimSuffix(parts[1], "@package")+"-"):
			settings := map[string]any{"index": map[string]string{"default_pipeline": o.Pipeline}}
			answer = map[string]any{"component_templates": []any{map[string]any{"name": parts[1], "component_template": map[string]any{"template": map[string]any{"settings": settings}}}}}
		case parts[0] == name && path.Base(r.URL.Path) == "index.default_pipeline" && !o.Planned:
			settings := func(pipeline string) any {
				return map[string]any{"settings": map[string]string{"index.default_pipeline": pipeline}}
			}
			answer = map[string]any{
				".ds-" + name + "-2026.01.01-000001": settings("an-older-one"),
				".ds-" + name + "-2026.02.01-000002": settings(o.Pipeline),
			}
		default:
			continue
		}
		_ = json.NewEncoder(w).Encode(answer) // fails only when the client went away
		return true
	}
	refuse(w, http.StatusNotFound)
	return true
}
