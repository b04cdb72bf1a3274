package component

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// outputs are the outputs there are. Another one costs its package and a line, and
// a fake for the demo (cmd/defender-endpoint, demoSinks).
var outputs = []output.Kind{
	elasticsearch.Kind,
	shipper.Kind,
	logstash.Kind,
}

// kindOf is the output of a unit's type, nil where there is none.
func kindOf(unitType string) *output.Kind {
	for i := range outputs {
		if outputs[i].Type == unitType {
			return &outputs[i]
		}
	}
	return nil
}

// newOutput builds the output a unit asks for. The unit's type decides.
func newOutput(u Unit, r output.Reporter, log *slog.Logger) (output.Output, error) {
	kind := kindOf(u.Type)
	if kind == nil {
		return nil, unknownOutput(u.Type)
	}
	return kind.New(u.Source, u.ID, r, log)
}

func unknownOutput(unitType string) error {
	return fmt.Errorf("type: output %q is not supported, want %s", unitType, strings.Join(OutputTypes(), " or "))
}

// OutputTypes are the types of the outputs there are, as a policy names them.
func OutputTypes() []string {
	types := make([]string, len(outputs))
	for i := range outputs {
		types[i] = outputs[i].Type
	}
	return types
}

// Conditions is the health truth table with the rows of an input and of all
// outputs, in the order of the documents.
func Conditions(input inputs.Input) []health.Row { return health.Rows(input.Conditions(), outputs) }
