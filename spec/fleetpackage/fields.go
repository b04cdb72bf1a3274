package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// field is one line of fields.csv.
type field struct {
	Name, Type string
	// Source is ecs, vendor, base for what every data stream of Fleet has, or
	// finding for what Kibana's pages of findings read beside ECS.
	Source string
	// Mapping is what the mapping says beyond the type: text (a multi-field
	// for full-text search), unindexed, array, ignore_malformed, long (see
	// longText); for constants whose value they hold: dataset, module, transform;
	// and namespace, which is a constant of a data stream, but not of a
	// transform's destination: one index takes the documents of all namespaces.
	// dataset is none either where a transform reads several data streams.
	Mapping []string
	// Also are data streams that have the field though no capture makes it: an
	// ingest pipeline sets it, or a mapper that no capture leads there.
	Also        []string
	Description string
}

type catalogue []field

func readCatalogue(path string) (catalogue, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var c catalogue
	for _, r := range rows[1:] {
		c = append(c, field{r[0], r[1], r[2], strings.Fields(r[3]), strings.Fields(r[4]), r[5]})
	}
	return c, nil
}

// definition is a field as the package's field files and the zip have it.
type definition struct {
	Name            string       `yaml:"name"`
	External        string       `yaml:"external,omitempty"`
	Type            string       `yaml:"type,omitempty"`
	Description     string       `yaml:"description,omitempty"`
	Value           string       `yaml:"value,omitempty"`
	Index           *bool        `yaml:"index,omitempty"`
	DocValues       *bool        `yaml:"doc_values,omitempty"`
	IgnoreMalformed bool         `yaml:"ignore_malformed,omitempty"`
	IgnoreAbove     int          `yaml:"ignore_above,omitempty"`
	Normalize       []string     `yaml:"normalize,omitempty"`
	MultiFields     []definition `yaml:"multi_fields,omitempty"`
}

// place is where fields are declared: a data stream, or the destination of a
// transform that reads one or more.
type place struct {
	streams []string
	latest  bool
}

// resolved is the definition with everything that Kibana needs.
func (f *field) resolved(in place) definition {
	d := definition{Name: f.Name, Type: f.Type, Description: f.Description}
	no := false
	for _, m := range f.Mapping {
		switch m {
		case "text":
			d.MultiFields = []definition{{Name: "text", Type: "match_only_text"}}
		case "unindexed":
			d.Index, d.DocValues = &no, &no
		case "array":
			d.Normalize = []string{"array"}
		case "ignore_malformed":
			d.IgnoreMalformed = true
		case "long":
			d.IgnoreAbove = longText
		case "dataset":
			if len(in.streams) > 1 {
				d.Type = "keyword"
			} else if len(in.streams) == 1 {
				d.Value = defender.Type + "." + in.streams[0]
			}
		case "module":
			d.Value = defender.Type
		case "transform":
			d.Value = fmt.Sprint(!in.latest)
		case "namespace":
			if in.latest {
				d.Type = "keyword"
			}
		}
	}
	if f.Name == "data_stream.dataset" && len(in.streams) > 1 {
		d.Type = "keyword"
	}
	return d
}

// longText is the ignore_above of fields whose texts are long, in characters:
// beyond it a value is not searched. Fleet's 1,024 would leave out much of a
// command line. Lucene refuses a document with a term of more than 32,766 bytes,
// and a character has up to four; the collector cuts texts there too.
const longText = 8191

// declared is the definition in the package's source: ECS by reference.
func (f *field) declared(in place) definition {
	d := f.resolved(in)
	if f.Source == "ecs" {
		return definition{Name: f.Name, External: "ecs", IgnoreAbove: d.IgnoreAbove}
	}
	return d
}

// in reports whether a data stream has the field; emitted are the fields that the
// captures of the data stream make.
func (f *field) in(stream string, emitted map[string]bool) bool {
	switch {
	case slices.Contains(f.Also, stream):
		return true
	case f.Source == "vendor":
		return strings.HasPrefix(f.Name, vendorPrefix(stream))
	case slices.Contains(f.Mapping, "transform"):
		return stream == "machine_action"
	case f.Source == "base":
		return true
	}
	return emitted[f.Name]
}

func vendorPrefix(stream string) string {
	if stream == "log" {
		return "microsoft.defender_endpoint."
	}
	return defender.Type + "." + stream + "."
}

// fileOf are the files that fields of a source are in.
var fileOf = map[string]string{"base": "base-fields.yml", "ecs": "ecs.yml", "vendor": "fields.yml", "finding": "fields.yml"}

// fieldFiles adds the field files of a place below dir; emitted are the fields that
// the captures of each data stream make.
func (c catalogue) fieldFiles(files map[string][]byte, dir string, in place, emitted map[string]map[string]bool) error {
	for _, name := range []string{"base-fields.yml", "ecs.yml", "fields.yml"} {
		var list []definition
		for _, f := range c {
			has := func(stream string) bool { return f.in(stream, emitted[stream]) }
			if fileOf[f.Source] == name && slices.ContainsFunc(in.streams, has) {
				list = append(list, f.declared(in))
			}
		}
		b, err := toYAML(list)
		if err != nil {
			return err
		}
		files[dir+name] = b
	}
	return nil
}

// resolve puts full definitions in the place of references to ECS.
func (c catalogue) resolve(list []definition) error {
	for i, d := range list {
		if d.External == "" {
			continue
		}
		at := slices.IndexFunc(c, func(f field) bool { return f.Name == d.Name })
		if at < 0 {
			return fmt.Errorf("field %s is not in fields.csv", d.Name)
		}
		list[i] = c[at].resolved(place{})
	}
	return nil
}
