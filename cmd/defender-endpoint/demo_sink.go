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

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
)

// demoSink is where the demo's documents arrive.
type demoSink struct {
	unit   agenttest.Unit // the output unit that leads there
	wait   func(ctx context.Context, documents int) error
	result func() (stored, duplicates int)
	close  func()
}

// demoSinks are the fakes by the type of their output.
var demoSinks = map[string]func(context.Context, io.Writer) (*demoSink, error){
	"elasticsearch": newElasticsearchSink,
	"shipper":       newShipperSink,
	"logstash":      newLogstashSink,
}

func newDemoSink(ctx context.Context, outputType string, stdout io.Writer) (*demoSink, error) {
	newSink, known := demoSinks[outputType]
	if !known {
		return nil, &exitError{2, fmt.Errorf("--output: want %s, got %q", demoOutputs(), outputType)}
	}
	return newSink(ctx, stdout)
}

// demoOutputs are the types of the outputs that the demo can show.
func demoOutputs() string {
	return strings.Join(slices.Sorted(maps.Keys(demoSinks)), " or ")
}

const demoOutputID = "microsoft_defender_endpoint-default"

func newElasticsearchSink(ctx context.Context, stdout io.Writer) (*demoSink, error) {
	const key = "demo:secret"
	var mu sync.Mutex
	arrived := make(chan struct{}, 1)
	es := elasticsearchtest.New(elasticsearchtest.Options{
		APIKey: key, CountOnly: true,
		OnDocument: func(d elasticsearchtest.Document) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = stdout.Write(append(d.JSON[:len(d.JSON):len(d.JSON)], '\n'))
			select {
			case arrived <- struct{}{}:
			default:
			}
		},
	})
	url, stop, err := serve(ctx, es)
	if err != nil {
		return nil, err
	}
	return &demoSink{
		unit: agenttest.Unit{ID: demoOutputID, Type: client.UnitTypeOutput, Config: map[string]any{
			"type": "elasticsearch", "hosts": []any{url}, "api_key": key,
		}},
		wait: func(ctx context.Context, documents int) error {
			for es.Stats().Stored < documents {
				select {
				case <-arrived:
				case <-ctx.Done():
					return fmt.Errorf("wait for documents: %w", ctx.Err())
				}
			}
			return nil
		},
		result: func() (int, int) {
			s := es.Stats()
			return s.Stored, s.Duplicates + s.Conflicts
		},
		close: stop,
	}, nil
}

func newShipperSink(_ context.Context, stdout io.Writer) (*demoSink, error) {
	shipper, err := shippertest.New(shippertest.Options{TLS: true, Name: demoOutputID})
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
		unit: agenttest.Unit{ID: demoOutputID, Type: client.UnitTypeOutput, Config: settings},
		wait: func(ctx context.Context, documents int) error {
			for {
				stats, changed := shipper.Stats()
				if stats.Stored >= documents {
					return nil
				}
				select {
				case <-changed:
				case <-ctx.Done():
					return fmt.Errorf("wait for documents: %w", ctx.Err())
				}
			}
		},
		result: func() (int, int) {
			stats, _ := shipper.Stats()
			for _, d := range shipper.Documents("") {
				_, _ = stdout.Write(append(d.JSON[:len(d.JSON):len(d.JSON)], '\n'))
			}
			return stats.Stored, stats.Duplicates
		},
		close: func() { shipper.Close() },
	}, nil
}

func newLogstashSink(_ context.Context, stdout io.Writer) (*demoSink, error) {
	logstash, err := logstashtest.New(logstashtest.Options{
		Security: logstashtest.ClientCertificates, CountOnly: true,
		OnDocument: func(d logstashtest.Document) { _, _ = stdout.Write(append(d.JSON, '\n')) },
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
		unit: agenttest.Unit{ID: demoOutputID, Type: client.UnitTypeOutput, Config: settings},
		wait: func(ctx context.Context, documents int) error {
			for {
				stats, changed := logstash.Stats()
				if stats.Stored >= documents {
					return nil
				}
				select {
				case <-changed:
				case <-ctx.Done():
					return fmt.Errorf("wait for documents: %w", ctx.Err())
				}
			}
		},
		result: func() (int, int) {
			stats, _ := logstash.Stats()
			return stats.Stored, stats.Duplicates
		},
		close: logstash.Stop,
	}, nil
}
