package elasticsearchtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// stateIndices are plain indices in which documents can be replaced, read and
// deleted by id, and all be found.
const stateIndices = "agentless-state-"

// FaultIndex answers every request for documents of agentless-state-* with that
// status until Heal.
func (e *Server) FaultIndex(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.indexFault = status
}

// IndexDocuments are how many documents an agentless-state-* index holds.
func (e *Server) IndexDocuments(index string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.indices[index])
}

// index serves documents by id, and one search: all of them.
func (e *Server) index(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, e.options.MaxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge)
		return
	}
	index, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	id, isDocument := strings.CutPrefix(rest, "_doc/")
	e.mu.Lock()
	defer e.mu.Unlock()
	documents, exists := e.indices[index]
	document, found := documents[id]
	switch {
	case e.indexFault != 0:
		refuse(w, e.indexFault)
	case index != strings.ToLower(index):
		refuse(w, http.StatusBadRequest)
	case isDocument && r.Method == http.MethodPut && json.Valid(body):
		if !exists {
			documents = map[string]json.RawMessage{}
			e.indices[index] = documents
		}
		documents[id] = body
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"_index":%q,"_id":%q,"result":"created"}`, index, id)
	case !exists:
		refuse(w, http.StatusNotFound)
	case rest == "_search" && r.Method == http.MethodPost:
		e.search(w, documents)
	case isDocument && !found:
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"_index":%q,"_id":%q,"found":false}`, index, id)
	case isDocument && r.Method == http.MethodGet:
		_, _ = fmt.Fprintf(w, `{"_index":%q,"_id":%q,"found":true,"_source":%s}`, index, id, document)
	case isDocument && r.Method == http.MethodDelete:
		delete(documents, id)
		_, _ = fmt.Fprintf(w, `{"_index":%q,"_id":%q,"result":"deleted"}`, index, id)
	default:
		refuse(w, http.StatusBadRequest)
	}
}

func (e *Server) search(w http.ResponseWriter, documents map[string]json.RawMessage) {
	type hit struct {
		ID string `json:"_id"`
	}
	hits := []hit{}
	for id := range documents {
		hits = append(hits, hit{id})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"hits": map[string]any{"hits": hits}})
}
