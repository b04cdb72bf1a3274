package defender

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

// missing distinguishes the two meanings of a 404 of a list: that it is empty, as
// the API says of machines (API.md 3.4), and that url leads nowhere. One small
// call of alerts decides, whose list is there whether or not it may be read.
func missing(ctx context.Context, client *api.Client, r *resource, err error) error {
	answer, ok := errors.AsType[*api.Error](err)
	if !ok || answer.Status != http.StatusNotFound || answer.IsToken() || r == alertResource {
		return err
	}
	page, other := client.Open(ctx, alertResource.request(collect.Request{Query: url.Values{"$top": {"1"}}}))
	if other == nil {
		_ = page.Close()
		return err
	}
	refused, ok := errors.AsType[*api.Error](other)
	switch {
	case !ok, refused.Kind == api.Transient && !refused.IsToken(): // nobody knows
		return other
	case refused.IsToken(), refused.Status != http.StatusNotFound && refused.Kind != api.Malformed:
		return err
	}
	return &api.Error{
		Op: answer.Op, Status: answer.Status, RequestID: answer.RequestID, Kind: api.Misconfigured,
		Message: "neither this list nor that of alerts is there", Hint: "check url",
	}
}

// unlicensed distinguishes the two meanings of a 403 of a list that needs a licence of
// its own: where the token has the permission, it is the licence that is left.
func unlicensed(ctx context.Context, client *api.Client, r *resource, err error) error {
	refused, ok := errors.AsType[*api.Error](err)
	if !ok || r.licence == "" || refused.Kind != api.Permission || refused.Status != http.StatusForbidden {
		return err
	}
	roles, other := client.Roles(ctx)
	if other != nil || !slices.Contains(roles, r.permission) {
		return err
	}
	named := *refused
	named.Hint = "the application has " + r.permission + "; check that the tenant has a licence of " + r.licence + ", or switch the stream off"
	return &named
}
