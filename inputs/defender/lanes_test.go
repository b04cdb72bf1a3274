package defender

import "testing"

// TestLanes: who goes first where calls are scarce.
func TestLanes(t *testing.T) {
	type lane struct {
		resource *resource
		backlog  bool
	}
	order := []lane{
		{alertResource, false}, {alertResource, true}, {machineActionResource, false}, {machineActionResource, true}, {machineResource, false},
		{vulnerabilityResource, false}, {configurationResource, false}, {baselineResource, false}, {informationGatheringResource, false},
	}
	for i, l := range order[1:] {
		if before := order[i]; before.resource.lane(before.backlog) >= l.resource.lane(l.backlog) {
			t.Errorf("%s does not go before %s", before.resource.name, l.resource.name)
		}
	}
}

// TestSeenSetOfAssessmentsIsBounded: with all that is saved of a stream it is below 2 MiB.
func TestSeenSetOfAssessmentsIsBounded(t *testing.T) {
	for _, r := range resources {
		if bytes := r.retention.Limit * 12 * 4 / 3; r.isAssessment() && (bytes > 2<<20-64<<10 || r.retention.Snapshot) {
			t.Errorf("%s: %+v", r.name, r.retention)
		}
		if r.changes != "" && (r.retention.Limit == 0 || r.retention.For == 0) {
			t.Errorf("%s: changes are kept as seen without a bound: %+v", r.name, r.retention)
		}
	}
}
