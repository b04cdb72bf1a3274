package engine

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Package is what Fleet reads of a built integration package.
type Package struct {
	Name, Version string
	Streams       []Stream
}

// Stream is one data stream of a package.
type Stream struct {
	Type, Dataset string
	Fields        map[string]Field // by full name
	Pipeline      map[string]any   // the ingest pipeline
}

// Field is a declared field.
type Field struct {
	Name            string  `yaml:"name"`
	Type            string  `yaml:"type"`
	External        string  `yaml:"external"`
	Value           string  `yaml:"value"`
	Index           *bool   `yaml:"index"`
	DocValues       *bool   `yaml:"doc_values"`
	IgnoreAbove     int     `yaml:"ignore_above"`
	IgnoreMalformed *bool   `yaml:"ignore_malformed"`
	MultiFields     []Field `yaml:"multi_fields"`
}

// defaultIgnoreAbove is what Fleet gives a keyword that says nothing.
const defaultIgnoreAbove = 1024

// limit is how many characters of a value are indexed; 0 is any number.
func (f Field) limit() int {
	switch f.Type {
	case "keyword", "wildcard", "flattened":
		return cmp.Or(f.IgnoreAbove, defaultIgnoreAbove)
	default:
		return 0
	}
}

// ReadPackage reads the package's source below the repository's root as its
// build does: fields declared external get what the catalogue says of them.
func ReadPackage(t testing.TB, root string) *Package {
	t.Helper()
	p, err := readPackage(root)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readPackage(root string) (*Package, error) {
	catalogue, err := readCatalogue(filepath.Join(root, "spec/fleetpackage/fields.csv"))
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "spec/package")
	var p Package
	if err := readYAML(filepath.Join(dir, "manifest.yml"), &p); err != nil {
		return nil, err
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "data_stream/*/manifest.yml"))
	if err != nil {
		return nil, err
	}
	for _, m := range manifests {
		s, err := readStream(filepath.Dir(m), p.Name, catalogue)
		if err != nil {
			return nil, err
		}
		p.Streams = append(p.Streams, s)
	}
	if len(p.Streams) == 0 {
		return nil, fmt.Errorf("%s: no data streams", dir)
	}
	return &p, nil
}

func readStream(dir, name string, catalogue map[string]Field) (Stream, error) {
	var s Stream
	if err := readYAML(filepath.Join(dir, "manifest.yml"), &s); err != nil {
		return s, err
	}
	s.Dataset = cmp.Or(s.Dataset, name+"."+filepath.Base(dir))
	files, err := filepath.Glob(filepath.Join(dir, "fields/*.yml"))
	if err != nil {
		return s, err
	}
	s.Fields = map[string]Field{}
	for _, f := range files {
		var list []Field
		if err := readYAML(f, &list); err != nil {
			return s, err
		}
		for _, field := range list {
			if field.External != "" {
				known, ok := catalogue[field.Name]
				if !ok {
					return s, fmt.Errorf("%s: %s is not in the catalogue", f, field.Name)
				}
				known.IgnoreAbove = field.IgnoreAbove
				field = known
			}
			s.Fields[field.Name] = field
		}
	}
	err = readYAML(filepath.Join(dir, "elasticsearch/ingest_pipeline/default.yml"), &s.Pipeline)
	if errors.Is(err, fs.ErrNotExist) { // Fleet makes an empty one then
		s.Pipeline, err = map[string]any{"processors": []any{}}, nil
	}
	return s, err
}

func readYAML(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readCatalogue reads the ECS fields: name, type, source, mapping.
func readCatalogue(path string) (map[string]Field, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	catalogue := map[string]Field{}
	yes, no := true, false
	for _, r := range rows[1:] {
		field := Field{Name: r[0], Type: r[1]}
		for _, word := range strings.Fields(r[3]) {
			switch word {
			case "text":
				field.MultiFields = []Field{{Name: "text", Type: "match_only_text"}}
			case "unindexed":
				field.Index, field.DocValues = &no, &no
			case "ignore_malformed":
				field.IgnoreMalformed = &yes
			}
		}
		catalogue[field.Name] = field
	}
	return catalogue, nil
}

// Installation says how a package is installed.
type Installation struct {
	// Namespace of the data streams, which are the installation's own.
	Namespace string
	// Strict leaves index.mapping.ignore_malformed out, which the stack sets.
	Strict bool
	// FailureStore takes what is refused, which Elasticsearch alone has.
	FailureStore bool
	// Settings of the indices, over those that Fleet and the stack give.
	Settings map[string]any
}

// Installed is a package in an engine.
type Installed struct {
	engine    *Engine
	namespace string
	streams   map[string]Stream // by name of the data stream
}

// Install does for one namespace what Fleet does when a package is installed:
// pipelines, and an index template per data stream with the package's fields and
// the stack's settings and dynamic templates. Fleet's template is for every
// namespace; one for each is needed here, since the engine wants the value of a
// constant_keyword in the mapping.
func (e *Engine) Install(t testing.TB, p *Package, o Installation) *Installed {
	t.Helper()
	e.Call(t, http.MethodPut, "/_ingest/pipeline/"+finalPipeline, e.known(t, final(t)), nil)
	in := &Installed{engine: e, namespace: o.Namespace, streams: map[string]Stream{}}
	for _, s := range p.Streams {
		pattern := s.Type + "-" + s.Dataset + "-" + o.Namespace
		pipeline := s.Type + "-" + s.Dataset + "-" + p.Version
		e.Call(t, http.MethodPut, "/_ingest/pipeline/"+pipeline, e.known(t, s.Pipeline), nil)
		settings := map[string]any{
			"index.number_of_replicas": 0, "index.number_of_shards": 1,
			"index.default_pipeline": pipeline, "index.final_pipeline": finalPipeline,
			"index.mapping.total_fields.limit": 1000,
		}
		if e.Kind != OpenSearch {
			settings["index.mapping.total_fields.ignore_dynamic_beyond_limit"] = true
		}
		if !o.Strict {
			settings["index.mapping.ignore_malformed"] = true
		}
		maps.Copy(settings, o.Settings)
		s.Fields = maps.Clone(s.Fields)
		for name, value := range map[string]string{"type": s.Type, "dataset": s.Dataset, "namespace": o.Namespace} {
			s.Fields["data_stream."+name] = Field{Name: "data_stream." + name, Type: "constant_keyword", Value: value}
		}
		// As .fleet_agent_id_verification-1 has them.
		s.Fields["event.agent_id_status"] = Field{Name: "event.agent_id_status", Type: "keyword"}
		template := map[string]any{"settings": settings, "mappings": s.mappings(t, e.Kind)}
		if o.FailureStore {
			template["data_stream_options"] = map[string]any{"failure_store": map[string]any{"enabled": true}}
		}
		e.Call(t, http.MethodPut, "/_index_template/"+pattern, map[string]any{
			"index_patterns": []string{pattern}, "data_stream": map[string]any{}, "priority": 200, "template": template,
		}, nil)
		in.streams[pattern] = s
	}
	return in
}

// mappings are a data stream's, with its fields as a tree.
func (s Stream) mappings(t testing.TB, k Kind) map[string]any {
	t.Helper()
	root := map[string]any{}
	for name, f := range s.Fields {
		at := root
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			node, ok := at[part].(map[string]any)
			if !ok {
				node = map[string]any{"properties": map[string]any{}}
				at[part] = node
			}
			if at, ok = node["properties"].(map[string]any); !ok {
				t.Fatalf("%s lies below a field that is no object", name)
			}
		}
		at[parts[len(parts)-1]] = f.mapping(k)
	}
	return map[string]any{"date_detection": false, "dynamic": true, "dynamic_templates": dynamicTemplates(k), "properties": root}
}

// mapping is the mapping of a field as an engine is sent it. On OpenSearch a flattened field
// is a flat_object, which knows no ignore_above.
func (f Field) mapping(k Kind) map[string]any {
	m := map[string]any{"type": f.Type}
	switch f.Type {
	case "keyword", "wildcard":
		m["ignore_above"] = f.limit()
	case "constant_keyword":
		m["value"] = f.Value
	case "flattened":
		m["type"] = k.flattened()
		if k != OpenSearch {
			m["ignore_above"] = f.limit()
		}
	case "date", "long", "ip":
		if f.IgnoreMalformed != nil {
			m["ignore_malformed"] = *f.IgnoreMalformed
		} else if f.Name == "@timestamp" {
			m["ignore_malformed"] = false
		}
	}
	if f.Index != nil {
		m["index"] = *f.Index
	}
	if f.DocValues != nil {
		m["doc_values"] = *f.DocValues
	}
	if len(f.MultiFields) > 0 {
		also := map[string]any{}
		for _, sub := range f.MultiFields {
			also[sub.Name] = sub.mapping(k)
		}
		m["fields"] = also
	}
	return m
}
