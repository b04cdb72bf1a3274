package api

import (
	"net/http"
	"net/url"
	"strings"
)

// resolve makes an absolute URL of a nextLink, if the token may be sent there.
// Its errors name the host alone: the rest of a link is a query.
func (c *Client) resolve(link string) (*url.URL, error) {
	const op = "follow a next link"
	ref, err := url.Parse(link)
	if err != nil || link == "" {
		return nil, &Error{Op: op, Kind: Malformed, Message: "the link is not a URL"}
	}
	u := c.base.ResolveReference(ref)
	u.Fragment, u.RawFragment = "", ""
	if u.User == nil && u.Opaque == "" && (c.isBase(u) || c.isTrusted(u)) {
		return u, nil
	}
	return nil, &Error{Op: op, Kind: Malformed,
		Message: "the link leads to a host that is not the API's: " + clean(c.scrub(u.Hostname()), codeLimit)}
}

// isBase reports whether u is on the configured host, by the configured scheme.
func (c *Client) isBase(u *url.URL) bool {
	return u.Scheme == c.base.Scheme && strings.EqualFold(u.Hostname(), c.base.Hostname()) && port(u) == port(c.base)
}

// isTrusted reports whether u is on a host of the cloud, over https.
func (c *Client) isTrusted(u *url.URL) bool {
	return u.Scheme == "https" && port(u) == "443" && c.cloud.Serves(u.Hostname())
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// sameHostOnly follows a redirect only where the request already was; any
// other is handed back as the answer, and so becomes an error.
func sameHostOnly(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > 3 || r.URL.Scheme != first.Scheme || r.URL.Host != first.Host || r.URL.User != nil {
		return http.ErrUseLastResponse
	}
	return nil
}

// redirected is the error for a redirect that was not followed. It names the
// host alone.
func redirected(op string, r *http.Response, hint string, scrub func(string) string) *Error {
	host := "an unnamed place"
	if u, err := r.Location(); err == nil && u.Hostname() != "" {
		host = clean(scrub(u.Hostname()), codeLimit)
	}
	return &Error{Op: op, Status: r.StatusCode, Kind: Misconfigured, Message: "redirected to " + host, Hint: hint}
}
