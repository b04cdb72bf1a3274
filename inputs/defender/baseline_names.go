package defender

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// The lists that say what the profiles and configurations of baselines are called
// [get-security-baselines-assessment-profiles.md,
// get-security-baselines-assessment-configurations.md].
const (
	baselineProfiles       = "/api/baselineProfiles"
	baselineConfigurations = "/api/baselineConfigurations"
)

// maxDefinitions is how many profiles and configurations are remembered: a benchmark
// has a few hundred.
const maxDefinitions = 50_000

// baselineDefinition is an element of either list, as far as it is read. The pages do
// not agree about the names of all members.
type baselineDefinition struct {
	ID               mapping.Field `json:"id"`               // GUID of a profile; of a configuration 1.1.1
	UniqueName       mapping.Field `json:"uniqueName"`       // of a configuration
	Name             mapping.Field `json:"name"`             // text
	Category         mapping.Field `json:"category"`         // of a configuration
	Benchmark        mapping.Field `json:"benchmark"`        // CIS, STIG
	BenchmarkName    mapping.Field `json:"benchmarkName"`    // the same, of a configuration
	Version          mapping.Field `json:"version"`          // of a profile's benchmark
	BenchmarkVersion mapping.Field `json:"benchmarkVersion"` // the same, of a configuration
}

// definition is what is known of a profile or a configuration.
type definition struct{ name, category, benchmark, version string }

// baselineNames are the definitions of profiles and configurations by their ids. The
// configurations of several benchmarks share ids, which are numbers of chapters.
type baselineNames struct {
	envelope       *mapping.Envelope
	decoder        *mapping.Decoder
	element        baselineDefinition
	profiles       map[string]definition
	configurations map[string][]definition
	count          int
}

func newBaselineNames(e *mapping.Envelope) *baselineNames {
	n := &baselineNames{envelope: e}
	n.decoder = e.Decoder("definition", &n.element).Fold()
	n.forget()
	return n
}

func (n *baselineNames) forget() {
	n.profiles, n.configurations, n.count = map[string]definition{}, map[string][]definition{}, 0
}

// add takes over an element of a list. One that cannot be read names nothing.
func (n *baselineNames) add(list string, element raw) {
	if n.count == maxDefinitions || n.envelope.Decode(n.decoder, element) != nil {
		return
	}
	e := &n.element
	e.Benchmark.Default(&e.BenchmarkName)
	e.Version.Default(&e.BenchmarkVersion)
	d := definition{
		name: strings.Clone(e.Name.Text()), category: strings.Clone(e.Category.Text()),
		benchmark: strings.Clone(e.Benchmark.Text()), version: strings.Clone(e.Version.Text()),
	}
	id := strings.Clone(e.ID.Text())
	if id == "" || d.name == "" {
		return
	}
	n.count++
	if list == baselineProfiles {
		n.profiles[id] = d
		return
	}
	n.configurations[id] = append(n.configurations[id], d)
	if name := e.UniqueName.Text(); name != "" && name != id {
		name = strings.Clone(name)
		n.configurations[name] = append(n.configurations[name], d)
	}
}

// find is what is known of a row's profile and configuration: nothing where several
// configurations of the id are of the profile's benchmark and have other names.
func (n *baselineNames) find(profileID, configurationID string) (profile, configuration definition) {
	profile = n.profiles[profileID]
	found := n.configurations[configurationID]
	if len(found) == 1 {
		return profile, found[0]
	}
	for _, d := range found {
		switch {
		case d.benchmark != profile.benchmark || d.version != profile.version:
		case configuration == definition{}:
			configuration = d
		case configuration.name != d.name:
			return profile, definition{}
		}
	}
	return profile, configuration
}
