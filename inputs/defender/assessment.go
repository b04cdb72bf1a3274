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

// posture is what says how a machine complies with a rule.
type posture struct{ applicable, compliant *mapping.Field }

// evaluation is result.evaluation: unknown where the rule is not for the machine, or
// where the row does not say.
func (p posture) evaluation() string {
	switch {
	case p.applicable.Is("false"):
		return "unknown"
	case p.compliant.Is("true"):
		return "passed"
	case p.compliant.Is("false"):
		return "failed"
	default:
		return "unknown"
	}
}

// setPosture says how the machine complies with the rule, as Kibana's page of
// misconfigurations and its rules read it.
func setPosture(root, event *ecs.Object, p posture) {
	evaluation := p.evaluation()
	root.Object("result").Set("evaluation", ecs.Text(evaluation))
	root.Object("resource").Set("type", ecs.Text("host"))
	switch evaluation {
	case "passed":
		event.Set("outcome", ecs.Text("success"))
	case "failed":
		event.Set("outcome", ecs.Text("failure"))
	default:
		event.Set("outcome", ecs.Text("unknown"))
	}
}
