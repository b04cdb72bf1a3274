package component

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// clean is how many deliveries or polls in a row must be free of losses before
// a unit forgets one: fewer would flap, and would be missed by people.
const clean = 5

// hour tells the quota of the hour from that of the minute: a minute's is whole
// again sooner.
const hour = 5 * time.Minute

// messageLimit bounds what is filled into a message, bytes: payloads and
// messages go out with every check-in.
const messageLimit = 600

// condition is a row of the table with its message filled in.
type condition struct {
	row  *Condition
	text string
}

func (c condition) state() client.UnitState { return c.row.State }

// report tells a unit's state.
func (c *Condition) report(to Report) { to(c.State, c.Message, nil) }

// with fills in the message; pairs are names in braces and what they stand for.
func (c *Condition) with(pairs ...string) condition {
	text := strings.NewReplacer(pairs...).Replace(c.Message)
	text = strings.ReplaceAll(text, " ()", "") // there was no code
	if len(text) > messageLimit {
		text = strings.ToValidUTF8(text[:messageLimit], "") + "..."
	}
	return condition{c, text}
}

// causedBy fills in a cause alone.
func (c *Condition) causedBy(err error) condition { return c.with("{cause}", oneLine(err)) }

// Explain is what an operator is told of an error of a stream: what it is, and
// what to do. It is empty without an error.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	return conditionOf(err).text
}

// ExplainOutput is Explain for an error of an output of that type.
func ExplainOutput(kind string, err error) string {
	if err == nil {
		return ""
	}
	return outputConditionOf(kind, err).text
}

// conditionOf chooses the row for an error of a stream.
func conditionOf(err error) condition {
	if err == nil {
		return collecting.with()
	}
	if e, ok := errors.AsType[*checkpointError](err); ok {
		return checkpointFails.with("{cause}", e.reason())
	}
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		return streamFails.causedBy(err)
	}
	row, code := apiCondition(e), codeOf(e.Status, e.Code)
	if row == serverFails {
		code = "HTTP 5xx" // which one changes from answer to answer
	}
	return row.with("{call}", e.Op, "{code}", code, "{cause}", e.Message, "{remedy}", remedyOf(e))
}

// apiCondition chooses the row for an error of the API. The kind alone decides
// the state (a test holds that); status and code only choose among rows of one
// kind.
func apiCondition(e *api.Error) *Condition {
	switch e.Kind {
	case api.Auth:
		return authCondition(e)
	case api.Misconfigured:
		return misconfiguration(e)
	case api.Permission:
		return permissionMissing
	case api.Throttled:
		if e.RetryAfter >= hour {
			return quotaGone
		}
		return throttled
	case api.Transient:
		switch {
		case e.Code == api.CodeProxy:
			return proxyUnreachable
		case e.Status != 0 && e.Status != http.StatusOK:
			return serverFails
		}
		return unreachable
	case api.Malformed:
		return malformed
	case api.Other:
	}
	return refused
}

func authCondition(e *api.Error) *Condition {
	switch e.Code {
	case "AADSTS7000215", "AADSTS70002":
		return wrongSecret
	case "AADSTS7000222":
		return expiredSecret
	case "AADSTS700016", "AADSTS700011":
		return unknownApplication
	}
	if e.Status == http.StatusUnauthorized && !e.IsToken() {
		return tokenRefused
	}
	return credentialsRefused
}

func misconfiguration(e *api.Error) *Condition {
	switch e.Code {
	case "AADSTS90002", "AADSTS900023", "AADSTS9001023":
		return unknownTenant
	case "AADSTS900382", "AADSTS900432", "AADSTS90038", "AADSTS500011", "AADSTS70011":
		return wrongCloud
	case api.CodeTLS:
		return untrusted
	case api.CodeProxy:
		return proxyRefuses
	}
	if e.Status == http.StatusProxyAuthRequired {
		return proxyRefuses
	}
	return misconfigured
}

// codeOf is the stable part of an answer: HTTP status and code.
func codeOf(status int, code string) string {
	var parts []string
	if status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", status))
	}
	if code != "" {
		parts = append(parts, code)
	}
	return strings.Join(parts, ", ")
}

func remedyOf(e *api.Error) string {
	if e.Hint != "" {
		return e.Hint
	}
	return "check tenant_id, client_id, client_secret, login_url and url"
}

// outputConditionOf chooses the row for an error of the output of that type.
func outputConditionOf(kind string, err error) condition {
	if err == nil {
		return publishing.with()
	}
	e, ok := errors.AsType[*output.Error](err)
	if !ok {
		e = &output.Error{Err: err}
	}
	cause, target := "it does not answer", ""
	if e.Err != nil {
		cause = oneLine(e.Err)
	}
	if target = e.Target; target == "" {
		target = "the data streams"
	}
	rows := elasticsearchRows
	if kind == "shipper" {
		rows = shipperRows
	}
	row := rows[e.Kind]
	if row == elasticsearchForbidden && e.Target != "" {
		row = indexRefused
	}
	return row.with("{cause}", cause, "{code}", codeOf(e.Status, typeOf(row, e)), "{target}", target)
}

// typeOf is the other side's error type where the row is about an index: there it
// names what to repair.
func typeOf(row *Condition, e *output.Error) string {
	if strings.Contains(row.Message, "{target}") {
		return e.Type
	}
	return ""
}

// elasticsearchRows and shipperRows are the rows by output.Kind; tests hold that
// there is one for each.
var (
	elasticsearchRows = map[output.Kind]*Condition{
		output.Unreachable: elasticsearchUnreachable, output.Silent: elasticsearchSilent,
		output.Unauthorized: elasticsearchUnauthorized, output.Forbidden: elasticsearchForbidden,
		output.TooLarge: elasticsearchBusy, output.Busy: elasticsearchBusy,
		output.Server: elasticsearchFails, output.RequestRefused: elasticsearchRefuses, output.Other: elasticsearchFails,
		output.IndexMissing: indexMissing, output.PipelineMissing: pipelineMissing, output.NoShards: noShards,
		output.WriteBlocked: writeBlocked, output.DiskFull: diskFull, output.FormsRefused: formsRefused,
	}
	shipperRows = map[output.Kind]*Condition{
		output.Unreachable: shipperGone, output.Silent: shipperFull, output.Unauthorized: shipperRefuses, output.Forbidden: shipperRefuses,
		output.TooLarge: shipperFull, output.Busy: shipperFull, output.Server: shipperGone, output.RequestRefused: shipperRefuses,
		output.Other: shipperGone, output.IndexMissing: shipperRefuses, output.PipelineMissing: shipperRefuses,
		output.NoShards: shipperRefuses, output.WriteBlocked: shipperRefuses, output.DiskFull: shipperRefuses,
		output.FormsRefused: shipperRefuses,
	}
)

// checkpointError is trouble with a stream's checkpoint.
type checkpointError struct {
	op  string
	err error
}

func (e *checkpointError) Error() string { return e.op + ": " + e.err.Error() }
func (e *checkpointError) Unwrap() error { return e.err }

// reason is the cause without the path, which says nothing to who reads it in
// Fleet and changes with every upgrade of the agent.
func (e *checkpointError) reason() string {
	if path, ok := errors.AsType[*fs.PathError](e.err); ok {
		return path.Err.Error()
	}
	if link, ok := errors.AsType[*os.LinkError](e.err); ok {
		return link.Err.Error()
	}
	return oneLine(e.err)
}

// worst is the state that decides for a unit: FAILED, then DEGRADED, then what
// is not running yet.
var worst = []client.UnitState{
	client.UnitStateHealthy, client.UnitStateStarting, client.UnitStateConfiguring, client.UnitStateDegraded, client.UnitStateFailed,
}

// severity orders states as Beats do.
func severity(s client.UnitState) int { return slices.Index(worst, s) }
