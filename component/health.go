package component

import (
	"errors"
	"fmt"
	"strings"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// condition is a state with its cause and remedy, for an operator. The text is
// stable while the cause stays: no counters, times or ids.
type condition struct {
	state client.UnitState
	text  string
}

var healthy = condition{state: client.UnitStateHealthy}

// conditionOf says what an error of a stream means for its unit.
func conditionOf(err error) condition {
	if err == nil {
		return healthy
	}
	var e *api.Error
	if !errors.As(err, &e) {
		return condition{client.UnitStateDegraded, err.Error()}
	}
	switch e.Kind {
	case api.Auth:
		return condition{client.UnitStateFailed, describe(e, "credentials refused", "check tenant_id, client_id and client_secret")}
	case api.Misconfigured:
		return condition{client.UnitStateFailed, describe(e, "request refused", "check url and login_url")}
	case api.Permission:
		return condition{client.UnitStateDegraded, describe(e, "permission missing", "grant the application the permission and give admin consent")}
	case api.Throttled:
		return condition{client.UnitStateDegraded, describe(e, "throttled by the API", "collecting goes on by itself; other programs may share the application's quota")}
	case api.Transient:
		return condition{client.UnitStateDegraded, describe(e, "API not reachable or failing", "trying again; check network, proxy_url and ssl if it stays")}
	case api.Malformed:
		return condition{client.UnitStateDegraded, describe(e, "answer not usable: "+e.Message, "trying again; check that url is the API's host")}
	default:
		return condition{client.UnitStateDegraded, describe(e, "request failed", "trying again")}
	}
}

// describe builds a message from the stable parts of an API error.
func describe(e *api.Error, what, remedy string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Op, what)
	switch {
	case e.Status != 0 && e.Code != "":
		fmt.Fprintf(&b, " (HTTP %d, %s)", e.Status, e.Code)
	case e.Status != 0:
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	case e.Code != "":
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.Hint != "" {
		remedy = e.Hint
	}
	return b.String() + "; " + remedy
}

// outputConditionOf says what an error of the output means for its unit.
func outputConditionOf(err error) condition {
	if err == nil {
		return healthy
	}
	remedy := "trying again; no data is lost"
	switch output.KindOf(err) {
	case output.Unreachable:
		remedy = "trying again; check hosts, network, proxy and ssl"
	case output.Unauthorized:
		remedy = "check api_key, or username and password"
	case output.Forbidden:
		remedy = "the key needs auto_configure and create_doc on the data streams"
	case output.Busy:
		remedy = "the other side is overloaded; slowing down"
	case output.Refused:
		remedy = "check hosts and path: is this Elasticsearch?"
	}
	return condition{client.UnitStateDegraded, err.Error() + "; " + remedy}
}
