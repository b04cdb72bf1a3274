package component

import (
	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/health"
)

// What a unit shows while it starts and stops. All that is trouble is a row of
// the health table.
const (
	startingText          = "starting"
	waitingText           = "waiting for the output's configuration"
	configuringText       = "starting streams"
	configuringOutputText = "configuring the output"
	stoppingText          = "stopping"
	stoppedText           = "stopped"
)

// unitStates are the agent's words for the states of a running unit.
var unitStates = map[health.State]client.UnitState{
	health.Healthy: client.UnitStateHealthy, health.Configuring: client.UnitStateConfiguring,
	health.Degraded: client.UnitStateDegraded, health.Failed: client.UnitStateFailed,
}

// health is the report of a unit for its tracker.
func (r Report) health() health.Report {
	return func(state health.State, message string, payload map[string]any) {
		r(unitStates[state], message, payload)
	}
}

// silent is where a unit that is stopping reports to: regardless of what its streams or
// its output still say, the agent hears of the stop alone.
func silent(health.State, string, map[string]any) {}
