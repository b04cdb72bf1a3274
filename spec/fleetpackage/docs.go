package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	texttemplate "text/template"

	"gopkg.in/yaml.v3"
)

// renderDocs renders every page of _dev/build/docs. The directives are those of
// Elastic's own tool, so that the pages can be rendered with either, but for
// {{.Name}} and {{.Title}} of the edition.
func renderDocs(files map[string][]byte, c catalogue, e *edition) error {
	sources, err := filepath.Glob(filepath.Join(packageDir, "_dev/build/docs/*.md"))
	if err != nil {
		return err
	}
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		page, err := texttemplate.New(filepath.Base(path)).Funcs(texttemplate.FuncMap{
			"event":  func(stream string) (string, error) { return eventSection(files, stream) },
			"fields": func(stream string) (string, error) { return fieldsSection(files, c, stream) },
		}).Parse(string(source))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := page.Execute(&b, e); err != nil {
			return err
		}
		files["docs/"+filepath.Base(path)] = b.Bytes()
	}
	return nil
}

func eventSection(files map[string][]byte, stream string) (string, error) {
	sample, ok := files["data_stream/"+stream+"/sample_event.json"]
	if !ok {
		return "", fmt.Errorf("event: no data stream %q", stream)
	}
	return fmt.Sprintf("An example event for `%s` looks as following:\n\n```json\n%s```", stream, sample), nil
}

// fieldsSection is the table of a data stream's fields.
func fieldsSection(files map[string][]byte, c catalogue, stream string) (string, error) {
	var all []definition
	for _, name := range []string{"base-fields.yml", "ecs.yml", "fields.yml"} {
		content, ok := files["data_stream/"+stream+"/fields/"+name]
		if !ok {
			return "", fmt.Errorf("fields: no data stream %q", stream)
		}
		var list []definition
		if err := yaml.Unmarshal(content, &list); err != nil {
			return "", err
		}
		if err := c.resolve(list); err != nil {
			return "", err
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b definition) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString("**Exported fields**\n\n| Field | Description | Type |\n|---|---|---|\n")
	for _, d := range all {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", d.Name, strings.ReplaceAll(d.Description, "|", `\|`), d.Type)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
