package shipper

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/defender-endpoint/defender-endpoint/component/componenttest"
)

func TestPublisherContract(t *testing.T) {
	tests := map[string]componenttest.ShipperOptions{
		"plain":                   {},
		"plain with certificates": {Certificates: true},
		"TLS":                     {TLS: true, Name: unitID},
	}
	for name, options := range tests {
		t.Run(name, func(t *testing.T) { runContract(t, options) })
	}
}

func runContract(t *testing.T, options componenttest.ShipperOptions) {
	componenttest.RunPublisherContract(t, func(t *testing.T) componenttest.Subject {
		noLeaks(t)
		options.Socket = socket(t)
		s := startShipper(t, options)
		o := connect(t, s, newHealth(), map[string]any{"bulk_max_size": 7})
		return componenttest.Subject{
			Publisher: o,
			Documents: func() []componenttest.PublishedDocument {
				var out []componenttest.PublishedDocument
				for _, d := range s.Documents("") {
					out = append(out, componenttest.PublishedDocument{DataStream: d.Index, ID: d.ID, JSON: d.JSON})
				}
				return out
			},
			Down: func(tried chan<- struct{}) {
				s.FailPublish(&componenttest.ShipperFault{Code: codes.Unavailable, Met: tried})
			},
			Heal: func() { s.FailPublish(nil) },
		}
	})
}
