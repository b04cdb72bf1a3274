package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// maxLine bounds a record on standard input, bytes: what the collector reads
// from the API at most.
const maxLine = 16 << 20

func newMap() *cobra.Command {
	var resource string
	var options []string
	var agent, strict bool
	cmd := &cobra.Command{
		Use:   "map --resource " + strings.Join(defender.ResourceNames(), "|"),
		Short: "Map records to documents offline, with the production mapping",
		Long: `map reads records from standard input, one JSON object a line, as the API gives them or
as Elastic's fixtures hold them, and writes their documents to standard output, one a line.
A line that cannot be mapped gives a pipeline_error document with the original.`,
		Example: `  defender-endpoint map --resource alert < alerts.ndjson > documents.ndjson
  defender-endpoint map --resource alert --option evidence=whole --option preserve_original_event=true < alerts.ndjson`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := optionsOf(options)
			if err != nil {
				return &exitError{2, err}
			}
			for _, stray := range component.Strays(defender.New(version), component.Unit{Source: settings}) {
				fmt.Fprintln(cmd.ErrOrStderr(), "defender-endpoint: warning: --option "+stray)
			}
			var who inputs.Agent
			if agent {
				who = collector()()
			}
			m, err := defender.NewMapper(resource, settings, who)
			if err != nil {
				return &exitError{2, fmt.Errorf("map: %w", err)}
			}
			bad, err := mapLines(m, cmd.InOrStdin(), cmd.OutOrStdout())
			if err == nil && strict && bad > 0 {
				err = fmt.Errorf("map: %d records could not be mapped cleanly", bad)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&resource, "resource", "", "what the records are")
	cmd.Flags().StringArrayVar(&options, "option", nil, "a stream's setting as name=value; may be given again")
	cmd.Flags().BoolVar(&agent, "agent", false, "add the fields that name the collector")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 1 if a record could not be mapped cleanly")
	return cmd
}

func optionsOf(options []string) (map[string]any, error) {
	settings := map[string]any{}
	for _, o := range options {
		name, value, ok := strings.Cut(o, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("map: --option %s: want name=value", o)
		}
		settings[name] = value
	}
	return settings, nil
}

// mapLines maps every line and counts those that were not clean.
func mapLines(m *defender.Mapper, in io.Reader, out io.Writer) (bad int, err error) {
	w := bufio.NewWriterSize(out, 1<<16)
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), maxLine)
	var body []byte
	emit := func(d *ecs.Document) error {
		body = append(d.AppendJSON(body[:0]), '\n')
		_, err := w.Write(body)
		return err
	}
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		clean, err := m.Map(line, emit)
		if err != nil {
			return bad, fmt.Errorf("write documents: %w", err)
		}
		if !clean {
			bad++
		}
	}
	if err := lines.Err(); err != nil {
		return bad, errors.Join(fmt.Errorf("read records: %w", err), w.Flush())
	}
	return bad, w.Flush()
}
