package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	"github.com/defender-endpoint/defender-endpoint/inputs/explain"
	"github.com/defender-endpoint/defender-endpoint/inputs/records"
)

// mapOptions are the command's flags.
type mapOptions struct {
	resource                       string
	settings                       []string
	agent, strict, pretty, explain bool
}

func newMap() *cobra.Command {
	var o mapOptions
	cmd := &cobra.Command{
		Use:   "map --resource NAME [file]...",
		Short: "Map records to documents offline, with the production mapping",
		Long: `map reads records from files, or from standard input, and writes their documents to
standard output, one a line. It takes what there is: one JSON object, over one line or
many, one a line, a list, a page of the API ({"value": [...]}), each also in gzip.
What cannot be mapped gives a pipeline_error document with the original.`,
		Example: `  defender-endpoint map --resource alert alerts.json
  defender-endpoint map --resource machine --pretty < machine.json
  defender-endpoint map --resource alert --explain alert.json
  defender-endpoint map --resource alert --option evidence=whole --option preserve_original_event=true < alerts.ndjson.gz`,
		RunE: func(cmd *cobra.Command, files []string) error {
			return mapFiles(cmd, o, files)
		},
	}
	cmd.Flags().StringVar(&o.resource, "resource", "", "what the records are: "+strings.Join(defender.ResourceNames(), ", "))
	cmd.Flags().StringArrayVar(&o.settings, "option", nil, "a stream's setting as name=value; may be given again")
	cmd.Flags().BoolVar(&o.agent, "agent", false, "add the fields that name the collector")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "exit 1 if a record could not be mapped cleanly")
	cmd.Flags().BoolVar(&o.pretty, "pretty", false, "write each document over many lines")
	cmd.Flags().BoolVar(&o.explain, "explain", false, "show for each field from which members of the record it comes, in place of the document")
	completeSettings(cmd, "option")
	complete(cmd, "resource", defender.ResourceNames()...)
	return cmd
}

func mapFiles(cmd *cobra.Command, o mapOptions, files []string) error {
	if !slices.Contains(defender.ResourceNames(), o.resource) {
		return usage("map: --resource: want one of %s, got %q", strings.Join(defender.ResourceNames(), ", "), o.resource)
	}
	settings, err := optionsOf(o.settings)
	if err != nil {
		return usage("map: %w", err)
	}
	for _, stray := range component.Strays(defender.New(version), component.Unit{Source: settings}) {
		fmt.Fprintln(cmd.ErrOrStderr(), "defender-endpoint: warning: --option "+stray)
	}
	var who inputs.Agent
	if o.agent {
		who = collector()()
	}
	mapper, err := defender.NewMapper(o.resource, settings, who)
	if err != nil {
		return usage("map: %w", err)
	}
	m := &recordMapper{mapper: mapper, out: bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16), mapOptions: o}
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, file := range files {
		if err := m.file(file, cmd.InOrStdin()); err != nil {
			return errors.Join(fmt.Errorf("map: %w", err), m.out.Flush())
		}
	}
	if err := m.out.Flush(); err != nil {
		return fmt.Errorf("write documents: %w", err)
	}
	if o.strict && m.bad > 0 {
		return fmt.Errorf("map: %d of %d records could not be mapped cleanly; error.message of their documents names what", m.bad, m.records)
	}
	return nil
}

func optionsOf(options []string) (map[string]any, error) {
	settings := map[string]any{}
	for _, o := range options {
		name, value, ok := strings.Cut(o, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--option %s: want name=value", o)
		}
		settings[name] = value
	}
	return settings, nil
}

// recordMapper maps records and writes what was asked for.
type recordMapper struct {
	mapOptions
	mapper       *defender.Mapper
	out          *bufio.Writer
	body         jsontext.Value
	records, bad int
}

// file maps the records of a file; "-" is standard input.
func (m *recordMapper) file(name string, stdin io.Reader) error {
	if name == "-" {
		return records.Each(stdin, m.record)
	}
	f, err := os.Open(name) //nolint:gosec // the operator's own file
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no such file; name one that has records, or give them on standard input", name)
	}
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return fmt.Errorf("%s: is a directory; name the files in it, such as %s", name, name+string(os.PathSeparator)+"*.json")
	}
	if err := records.Each(f, m.record); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (m *recordMapper) record(record []byte) error {
	m.records++
	if m.explain {
		return m.writeOrigins(record)
	}
	clean, err := m.mapper.Map(record, m.write)
	if err != nil {
		return fmt.Errorf("write documents: %w", err)
	}
	if !clean {
		m.bad++
	}
	return nil
}

func (m *recordMapper) write(d *ecs.Document) error {
	m.body = d.AppendJSON(m.body[:0])
	if m.pretty {
		if err := m.body.Indent(jsontext.WithIndent("  ")); err != nil {
			return fmt.Errorf("indent a document: %w", err)
		}
	}
	_, err := m.out.Write(append(m.body, '\n'))
	return err
}

// writeOrigins writes where the fields of a record's documents come from.
func (m *recordMapper) writeOrigins(record []byte) error {
	documents, err := explain.Explain(m.all, record)
	if errors.Is(err, explain.ErrTooMany) {
		fmt.Fprintf(m.out, "record %d: %s\n", m.records, err)
	} else if err != nil {
		return err
	}
	if _, clean, _ := m.all(record); !clean {
		m.bad++
	}
	for i, fields := range documents {
		fmt.Fprintf(m.out, "record %d, document %d\n", m.records, i+1)
		if err := explain.Print(m.out, fields); err != nil {
			return err
		}
	}
	return nil
}

// all maps a record for explain.
func (m *recordMapper) all(record []byte) (documents []jsontext.Value, clean bool, err error) {
	clean, err = m.mapper.Map(record, func(d *ecs.Document) error {
		documents = append(documents, d.AppendJSON(nil))
		return nil
	})
	return documents, clean, err
}
