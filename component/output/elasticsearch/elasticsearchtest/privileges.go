package elasticsearchtest

import (
	"encoding/json"
	"net/http"
	"slices"
)

// privileges answers _security/user/_has_privileges.
func (e *Server) privileges(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Index []struct {
			Names      []string `json:"names"`
			Privileges []string `json:"privileges"`
		} `json:"index"`
	}
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked) != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	all, index := true, map[string]map[string]bool{}
	for _, i := range asked.Index {
		for _, name := range i.Names {
			index[name] = map[string]bool{}
			for _, p := range i.Privileges {
				granted := !slices.Contains(e.options.Denied, name)
				index[name][p] = granted
				all = all && granted
			}
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"username": "fake", "has_all_requested": all, "cluster": map[string]any{}, "index": index}) // fails only when the client went away
}
