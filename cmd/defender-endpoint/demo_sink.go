package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest/sink"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
)

// demoSink is where the demo's documents arrive.
type demoSink struct {
	*arrivals
	unit   agenttest.Unit // the output unit that leads there
	result func() (stored, duplicates int)
	close  func()
}

// arrivals are documents that are printed as they come, a line each.
type arrivals struct {
	mu      sync.Mutex
	printed io.Writer
	more    chan struct{}
}

func (a *arrivals) add(document []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = a.printed.Write(append(document[:len(document):len(document)], '\n'))
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// wait waits until so many documents are stored.
func (s *demoSink) wait(ctx context.Context, documents int) error {
	for stored, _ := s.result(); stored < documents; stored, _ = s.result() {
		select {
		case <-s.more:
		case <-ctx.Done():
			return fmt.Errorf("wait for documents: %w", ctx.Err())
		}
	}
	return nil
}

// demoSinks start the fakes by the type of their output.
var demoSinks = map[string]func(context.Context, *arrivals) (*demoSink, error){
	"elasticsearch": newElasticsearchSink,
	"shipper":       newShipperSink,
	"logstash":      newLogstashSink,
	"kafka":         newKafkaSink,
}

func newDemoSink(ctx context.Context, outputType string, stdout io.Writer) (*demoSink, error) {
	newSink, known := demoSinks[outputType]
	if !known {
		return nil, usage("demo: --output: want %s, got %q", demoOutputs(), outputType)
	}
	a := &arrivals{printed: stdout, more: make(chan struct{}, 1)}
	s, err := newSink(ctx, a)
	if err == nil {
		s.arrivals, s.unit.ID, s.unit.Type = a, demoOutputID, client.UnitTypeOutput
	}
	return s, err
}

// demoOutputs are the types of the outputs that the demo can show.
func demoOutputs() string {
	return strings.Join(slices.Sorted(maps.Keys(demoSinks)), " or ")
}

const demoOutputID = "microsoft_defender_endpoint-default"

func newElasticsearchSink(ctx context.Context, a *arrivals) (*demoSink, error) {
	const key = "demo:secret"
	es := elasticsearchtest.New(elasticsearchtest.Options{
		APIKey: key, CountOnly: true, OnDocument: func(d elasticsearchtest.Document) { a.add(d.JSON) },
	})
	url, stop, err := serve(ctx, es)
	if err != nil {
		return nil, err
	}
	return &demoSink{
		unit: agenttest.Unit{Config: map[string]any{"type": "elasticsearch", "hosts": []any{url}, "api_key": key}},
		result: func() (int, int) {
			s := es.Stats()
			return s.Stored, s.Duplicates + s.Conflicts
		},
		close: stop,
	}, nil
}

func newShipperSink(_ context.Context, a *arrivals) (*demoSink, error) {
	shipper, err := shippertest.New(shippertest.Options{
		TLS: true, Name: demoOutputID, CountOnly: true, OnDocument: func(d shippertest.Document) { a.add(d.JSON) },
	})
	if err != nil {
		return nil, err
	}
	if err := shipper.Start(); err != nil {
		return nil, err
	}
	settings, err := shipper.Settings()
	if err != nil {
		shipper.Close()
		return nil, err
	}
	return &demoSink{
		unit: agenttest.Unit{Config: settings},
		result: func() (int, int) {
			stats, _ := shipper.Stats()
			return stats.Stored, stats.Duplicates
		},
		close: func() { shipper.Close() },
	}, nil
}

func newLogstashSink(_ context.Context, a *arrivals) (*demoSink, error) {
	logstash, err := logstashtest.New(logstashtest.Options{
		Security: logstashtest.ClientCertificates, CountOnly: true, OnDocument: func(d logstashtest.Document) { a.add(d.JSON) },
	})
	if err != nil {
		return nil, err
	}
	if err := logstash.Start(); err != nil {
		return nil, err
	}
	settings, err := logstash.Settings()
	if err != nil {
		logstash.Stop()
		return nil, err
	}
	return &demoSink{
		unit: agenttest.Unit{Config: settings},
		result: func() (int, int) {
			stats, _ := logstash.Stats()
			return stats.Stored, stats.Duplicates
		},
		close: logstash.Stop,
	}, nil
}

func newKafkaSink(_ context.Context, a *arrivals) (*demoSink, error) {
	var mu sync.Mutex
	known, messages := map[string]bool{}, 0
	kafka, err := sink.New(func(value []byte) {
		var event struct {
			Metadata struct {
				ID string `json:"_id"`
			} `json:"@metadata"`
		}
		_ = json.Unmarshal(value, &event) // one without an id counts as one
		mu.Lock()
		known[event.Metadata.ID] = true
		messages++
		mu.Unlock()
		a.add(value)
	})
	if err != nil {
		return nil, err
	}
	return &demoSink{
		unit: agenttest.Unit{Config: kafka.Settings()},
		result: func() (int, int) {
			mu.Lock()
			defer mu.Unlock()
			return len(known), messages - len(known)
		},
		close: kafka.Close,
	}, nil
}
