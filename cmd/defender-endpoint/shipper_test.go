package main_test

import (
	"maps"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

func TestShipperLifecycle(t *testing.T) {
	t.Parallel()
	alerts := 200
	if testing.Short() {
		alerts = 50 // a batch: one after the other is persisted
	}
	sideBySide(t, maps.All(map[string]shippertest.Options{
		"TLS":                          {TLS: true, Name: outputID},
		"as the elastic-agent-shipper": {Certificates: true, WithoutIDs: true, Delay: 1500 * time.Millisecond},
	}), func(t *testing.T, o shippertest.Options) {
		r := newRig(t, defendertest.Options{Seed: 5, Alerts: alerts})
		shipper, unit := r.newShipper(r.onSocket(o))
		r.set(r.input(nil), unit)
		r.start()
		r.waitHealthy()
		stored := func() int { stats, _ := shipper.Stats(); return stats.Stored }
		r.eventually("all documents persisted", func() bool { return stored() >= r.want() })
		r.stop()
		if stored() != r.want() {
			t.Errorf("%d documents, want %d", stored(), r.want())
		}
	})
}
