package shipper

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

func TestPublisherContract(t *testing.T) {
	tests := map[string]shippertest.Options{
		"plain":                   {},
		"plain with certificates": {Certificates: true},
		"TLS":                     {TLS: true, Name: unitID},
	}
	for name, options := range tests {
		t.Run(name, func(t *testing.T) { runContract(t, options) })
	}
}

func runContract(t *testing.T, options shippertest.Options) {
	inputstest.RunPublisherContract(t, func(t *testing.T) inputstest.Subject {
		noLeaks(t)
		options.Socket = socket(t)
		s := startShipper(t, options)
		o := connect(t, s, newReporter(), map[string]any{"bulk_max_size": 7})
		return inputstest.Subject{
			Publisher: o,
			Documents: func() []inputstest.Document {
				var out []inputstest.Document
				for _, d := range s.Documents("") {
					out = append(out, inputstest.Document{DataStream: d.Index, ID: d.ID, JSON: d.JSON})
				}
				return out
			},
			Down: func(tried chan<- struct{}) {
				s.FailPublish(&shippertest.Fault{Code: codes.Unavailable, Met: tried})
			},
			Heal: func() { s.FailPublish(nil) },
		}
	})
}
