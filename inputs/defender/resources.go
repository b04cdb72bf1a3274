package defender

import (
	"fmt"
	"slices"
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
// resource by data_stream.dataset. Where calls are scarce the first ones
// go first: see resource.lane.
var resources = []*resource{
	alertResource,
	machineActionResource,
	machineResource,
	vulnerabilityResource,
	configurationResource,
	baselineResource,
	informationGatheringResource,
}

// resource is one Defender collection: how to ask for it and how to map it.
type resource struct {
	name    string // singular, as in testdata and on the command line
	dataset string // data_stream.dataset
	path    string // of the list; "" where there are files only
	expand  string // $expand, or ""
	// strategy is the way to page through the list: odata.Timeline by the time of
	// the last update, odata.Snapshot, or odata.Assessment.
	strategy func(odata.Options) collect.Strategy
	// changes is the path of an assessment's list of changes, files that of the call
	// that names its files, each "" where there is none. epoch says when one of its
	// records is stored again.
	changes, files string
	epoch          odata.Epoch
	// lookups are the paths of lists that the mapper needs beside the records: see
	// mapping.Definer.
	lookups []string
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
	// licence is what a tenant needs beside Defender for Endpoint, "" for nothing.
	licence string
	// family is that of path and changes: files have one of their own.
	family       api.Family
	interval     time.Duration // default of the setting
	fullInterval time.Duration // default of the setting; zero means 24h
	tags         []string      // default of the setting
	vendor       mapping.Vendor
	sets         []string // members that are lists whose order means nothing
	// sentinels are texts by which the API says "nothing" in this resource, beside
	// those of all (mapping.Blank).
	sentinels []string
	// newMapper makes a mapper for one stream, which makes its documents with the
	// envelope.
	newMapper func(*mapping.Envelope, Config) mapping.RecordMapper
}

// The calls of the assessment lists, which the service limits beside all calls
// (API.md 3.1). It states limits for each path; they are kept for all together,
// since what it counts is not known.
var (
	assessmentLists = api.Family{Name: "assessment lists", Limit: api.Limit{PerMinute: 30, PerHour: 1000}}
	assessmentFiles = api.Family{Name: "assessment files", Limit: api.Limit{PerMinute: 5, PerHour: 20}}
)

// lane is the place of a resource's calls, and of its batches, among those of
// others: in the order of resources, each before its own backlog.
func (r *resource) lane(backlog bool) int {
	lane := 2 * slices.Index(resources, r)
	if backlog {
		lane++
	}
	return lane
}

// isAssessment reports whether the resource is read by odata.Assessment.
func (r *resource) isAssessment() bool { return r.files != "" }

// raw is one JSON value as the API sent it.
type raw = mapping.Raw

// setObserver sets what observed all that the service reports, and returns the
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
	known := append(Datasets(), collectorDataset)
	short := strings.ReplaceAll(strings.Join(known, ", "), module+".", "") // a unit's text has little room
	if dataset == "" {
		return fmt.Errorf("data_stream.dataset: required: %s. and one of %s", module, short)
	}
	meant := ""
	if nearest := policy.Nearest(dataset, known); nearest != "" {
		meant = "did you mean " + nearest + "? "
	}
	return fmt.Errorf("data_stream.dataset: no resource for %q, %swant %s. and one of %s", dataset, meant, module, short)
}
