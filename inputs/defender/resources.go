package defender

import (
	"fmt"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// resources are the Defender collections this input reads. A stream finds its
// resource by data_stream.dataset.
var resources = []*resource{
	alertResource,
	machineActionResource,
	machineResource,
}

// resource is one Defender collection: how to ask for it and how to map it.
type resource struct {
	name    string // singular, as in testdata and on the command line
	dataset string // data_stream.dataset
	path    string // of the list
	expand  string // $expand, or ""
	// pager is the way to page through the list: odata.Timeline by the time of
	// the last update, or odata.Snapshot.
	pager func(odata.Options) collect.Strategy
	// updated is the property of a timeline by which records are read; created
	// takes its place where the server refuses that (see odata.Options).
	updated, created string
	// retention is how long published records count as seen: those of a snapshot
	// for the setting full_interval.
	retention collect.Retention
	// permission is the application permission that is enough to read it.
	permission string
	priority   api.Priority
	// limit is the service's for this list alone; zero where it has none but
	// the one of all calls, api.DefaultLimit (API.md 3.1).
	limit    api.Limit
	interval time.Duration // default of the setting
	tags     []string      // default of the setting
	// newMapper makes a mapper for one stream.
	newMapper func(*envelope) mapper
}

// mapper decodes one record at a time and maps it to documents.
type mapper interface {
	// read decodes a record and returns its id and its update time, each zero
	// where it has none. The id and the record's values are valid until the next
	// read or until its buffer is reused.
	read(record raw) (id string, updated time.Time, err error)
	// documents maps the record that was read, and calls emit for each
	// document; the document is the mapper's again when emit returns.
	documents(emit func() error) error
}

func resourceOf(dataset string) *resource {
	for _, r := range resources {
		if r.dataset == dataset {
			return r
		}
	}
	return nil
}

func unknownDataset(dataset string) error {
	known := make([]string, len(resources))
	for i, r := range resources {
		known[i] = r.dataset
	}
	return fmt.Errorf("data_stream.dataset: no resource for %q, want one of %s", dataset, strings.Join(known, ", "))
}
