package defender

import (
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// What the four assessment lists have in common (API.md 8): vulnerabilities,
// configuration, baselines and information gathering.

// setAssessment sets the constants of the assessment streams. Elastic's package
// calls the product otherwise than in the other streams.
func setAssessment(root, event *ecs.Object, kind string) {
	event.Set("kind", ecs.Text(kind))
	setObserver(root).Set("product", ecs.Text("Microsoft Defender for Endpoint"))
}

// setResource says what a finding is of, as Kibana's pages of findings read it: the
// machine.
func setResource(e *mapping.Envelope, root *ecs.Object, id, name *mapping.Field) *ecs.Object {
	resource := root.Object("resource")
	resource.Set("id", e.Text(id))
	resource.Set("name", e.Text(name))
	return resource
}
