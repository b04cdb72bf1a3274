package odata

import (
	"errors"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

const (
	// linkTTL is how long a link is used after the page that gave it: it belongs to
	// a snapshot that the server makes again every few hours.
	linkTTL = time.Hour
	// maxTries is how often in a row a page is asked for that breaks off, and a list
	// is begun again because its link is dead.
	maxTries = 3
)

// byNextLink asks for a list, and then for what the link of each page leads to.
// A link is good within one run over the list: where it is dead, the list is
// begun again.
type byNextLink struct {
	*assessment
	path  string
	query url.Values

	asked    time.Time       // when the first page was
	link     inputs.Secret   // to the next page; empty at the beginning
	followed map[uint64]bool // hashes of the links so far
	tries    int             // of the present page
	restarts int             // because of dead links
}

// Request implements collect.Pager.
func (p *byNextLink) Request() collect.Request {
	if p.link != "" {
		return collect.Request{Link: p.link}
	}
	return collect.Request{Path: p.path, Query: p.query}
}

// Next implements collect.Pager.
func (p *byNextLink) Next(page collect.PageStats) (collect.Pager, error) {
	if page.Err != nil {
		return p.failed(page)
	}
	if p.link == "" {
		p.asked = page.Asked
	}
	p.tries = 0
	if len(page.Links) == 0 {
		return p.complete(p.asked)
	}
	p.link = page.Links[0]
	h := fnv.New64a()
	_, _ = h.Write([]byte(p.link.Reveal())) // never fails
	if p.followed == nil {
		p.followed = map[uint64]bool{}
	}
	if p.followed[h.Sum64()] || len(p.followed) == maxPages {
		return nil, p.malformed("the links to further pages do not end")
	}
	p.followed[h.Sum64()] = true
	return p, nil
}

// failed decides what follows a page that did not come as a whole.
func (p *byNextLink) failed(page collect.PageStats) (collect.Pager, error) {
	first := p.link == ""
	switch {
	case first && refused(page) && p.query.Has("pageSize"):
		p.query.Del("pageSize")
		return p, nil
	case first && refused(page) && p.changing:
		return p.refuseChanges(page.Err)
	case !first && isGone(page.Err) && p.restarts < maxTries:
		p.link, p.followed, p.tries = "", nil, 0
		p.restarts++
		return p, page.Err
	}
	p.tries++
	switch {
	case p.tries < maxTries && page.Records > 0 && maybeTooLarge(page.Err):
		return p, nil
	case p.tries < maxTries && !first && isAnswer(page.Err):
		p.pause(p) // the next poll continues here
	case maybeTooLarge(page.Err):
		p.size = min(p.size, max(p.size/4, minAssessmentPage)) // the next run has smaller pages
	}
	return nil, page.Err
}

func (p *byNextLink) malformed(message string) error {
	return &api.Error{Op: "list " + p.path, Kind: api.Malformed, Message: message}
}

// isGone reports whether what was linked is not there any more, or not for us.
func isGone(err error) bool {
	return hasStatus(err, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusGone)
}

// hasStatus reports whether the API, or who serves its files, answered with one
// of these.
func hasStatus(err error, statuses ...int) bool {
	e, ok := errors.AsType[*api.Error](err)
	return ok && !e.IsToken() && slices.Contains(statuses, e.Status)
}

// isAnswer reports whether an error is the other side's, and not the end of the
// stream.
func isAnswer(err error) bool {
	_, is := errors.AsType[*api.Error](err)
	return is
}
