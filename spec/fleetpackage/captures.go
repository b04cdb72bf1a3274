package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// collector is who collects in samples and previews.
var collector = inputs.Agent{
	ID: "3f1a7c52-6f0e-4a86-9f0b-5f3a0c6f5b11", Name: "collector.example", Type: "defender-endpoint",
	Version: "9.5.2", EphemeralID: "c1d6c5a8-7a60-4d0d-8c39-1f4b8a1f9e02",
}

// mapping maps records of one resource with the production mapping and adds the
// documents to its list.
type mapping struct {
	mapper    *defender.Mapper
	documents [][]byte
}

func newMapping(resource string, settings map[string]any) (*mapping, error) {
	mapper, err := defender.NewMapper(resource, settings, collector)
	if err != nil {
		return nil, err
	}
	mapper.Began(sampleTime)
	return &mapping{mapper: mapper}, nil
}

// sampleTime is when the captures were read that have no time of their own.
var sampleTime = time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)

func (m *mapping) add(record []byte) error {
	_, err := m.mapper.Map(record, func(d *ecs.Document) error {
		m.documents = append(m.documents, d.AppendJSON(nil))
		return nil
	})
	return err
}

// captureFiles are the captured records of a resource.
func captureFiles(resource string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(capturesDir, resource, "*.json"))
	var files []string
	for _, f := range all {
		if !strings.HasSuffix(f, ".golden.json") {
			files = append(files, f)
		}
	}
	if len(files) == 0 && err == nil {
		err = fmt.Errorf("%s: no captures", resource)
	}
	return files, err
}

// mapCaptures maps every capture in all the ways that make other fields, and
// returns the names of the fields by data stream.
func mapCaptures() (map[string]map[string]bool, error) {
	fields := map[string]map[string]bool{}
	for _, resource := range defender.ResourceNames() {
		files, err := captureFiles(resource)
		if err != nil {
			return nil, err
		}
		for _, evidence := range []string{"split", "whole"} {
			m, err := newMapping(resource, map[string]any{
				"evidence": evidence, "preserve_original_event": true, "preserve_duplicate_custom_fields": true, "software_without_cve": true,
			})
			if err != nil {
				return nil, err
			}
			for _, f := range files {
				record, err := os.ReadFile(f)
				if err != nil {
					return nil, err
				}
				if err := m.add(record); err != nil {
					return nil, fmt.Errorf("%s: %w", f, err)
				}
			}
			if err := collectFields(fields, m.documents); err != nil {
				return nil, err
			}
		}
	}
	return fields, collectFields(fields, defender.CollectorDocuments(collector, sampleStatuses(sampleTime, true), sampleTime))
}

func collectFields(fields map[string]map[string]bool, documents [][]byte) error {
	for _, body := range documents {
		flat, err := flatten(body)
		if err != nil {
			return err
		}
		stream := streamOf(flat)
		if fields[stream] == nil {
			fields[stream] = map[string]bool{}
		}
		for name := range flat {
			fields[stream][name] = true
		}
	}
	return nil
}

// streamOf is the name of a document's data stream within the package.
func streamOf(document map[string][]any) string {
	for _, v := range document["data_stream.dataset"] {
		if dataset, ok := v.(string); ok {
			return strings.TrimPrefix(dataset, defender.Type+".")
		}
	}
	return ""
}

// flatten lists a document's values by field name, as Elasticsearch sees them.
func flatten(body []byte) (map[string][]any, error) {
	var root map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		return nil, err
	}
	flat := map[string][]any{}
	walk(flat, "", root)
	return flat, nil
}

func walk(flat map[string][]any, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			walk(flat, strings.TrimPrefix(name+"."+key, "."), member)
		}
	case []any:
		for _, element := range v {
			walk(flat, name, element)
		}
	default:
		flat[name] = append(flat[name], v)
	}
}

// samples names for each data stream the capture whose first document that has
// the field is its sample.
var samples = map[string]struct{ resource, capture, field string }{
	"log":            {"alert", "every-evidence-type", "process.command_line"},
	"machine":        {"machine", "linux-server-vm-metadata", "host.id"},
	"machine_action": {"machine_action", "timeout-of-quarantine-negative-error", "event.id"},
	"vulnerability":  {"vulnerability", "change-fixed", "event.id"},
	"configuration":  {"configuration", "passed", "event.id"},
	"baseline":       {"baseline", "failed", "event.id"},

	"information_gathering": {"information_gathering", "workstation", "event.id"},
}

// sampleEvent is what the component publishes for a capture with the settings
// at their defaults.
func sampleEvent(stream string) ([]byte, error) {
	if stream == collectorStream {
		return asSample(defender.CollectorDocuments(collector, sampleStatuses(sampleTime, false), sampleTime)[0])
	}
	s := samples[stream]
	record, err := os.ReadFile(filepath.Join(capturesDir, s.resource, s.capture+".json"))
	if err != nil {
		return nil, fmt.Errorf("sample of %s: %w", stream, err)
	}
	m, err := newMapping(s.resource, nil)
	if err != nil {
		return nil, err
	}
	if err := m.add(record); err != nil {
		return nil, err
	}
	for _, body := range m.documents {
		flat, err := flatten(body)
		if err != nil {
			return nil, err
		}
		if flat[s.field] == nil {
			continue
		}
		return asSample(body)
	}
	return nil, fmt.Errorf("sample of %s: no document of %s has %s", stream, s.capture, s.field)
}

func asSample(body []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "    "); err != nil {
		return nil, err
	}
	return append(b.Bytes(), '\n'), nil
}
