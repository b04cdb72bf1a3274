package defender

import (
	"fmt"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
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
	// strategy is the way to page through the list: odata.Timeline by the time of
	// the last update, or odata.Snapshot.
	strategy func(odata.Options) collect.Strategy
	// updated is the property of a timeline by which records are read; created
	// takes its place where the server refuses that, and then a record may change
	// for so long after its creation (see odata.Options).
	updated, created string
	changesFor       time.Duration
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
	vendor   mapping.Vendor
	sets     []string // members that are lists whose order tells nothing
	// sentinels are texts by which the API says "nothing" in this resource, beside
	// those of all (mapping.Blank).
	sentinels []string
	// newMapper makes a mapper for one stream, which makes its documents with the
	// envelope.
	newMapper func(*mapping.Envelope, Config) mapping.RecordMapper
}

// raw is one JSON value as the API sent it.
type raw = mapping.Raw

// setObserver sets what observed all that the service tells, and returns the
// object.
func setObserver(root *ecs.Object) *ecs.Object {
	observer := root.Object("observer")
	observer.Set("product", ecs.Text("Defender for Endpoint"))
	observer.Set("vendor", ecs.Text("Microsoft"))
	return observer
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
	known := Datasets()
	meant := ""
	if nearest := policy.Nearest(dataset, known); nearest != "" {
		meant = "did you mean " + nearest + "? "
	}
	return fmt.Errorf("data_stream.dataset: no resource for %q, %swant one of %s", dataset, meant, strings.Join(known, ", "))
}
