package odata

import (
	"cmp"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// freshLinks is how old links are at most that are not asked for again: where they
// give no access from the beginning, others would not either, and the calls for
// them are few (API.md 3.1).
const freshLinks = 5 * time.Minute

// firstYear is the first one in which files can have been made, by a clock that may be
// wrong: an earlier time is one that is not set.
const firstYear = 1990

// byFiles asks for the links to a list's files and reads one after the other. A
// file that does not come is tried again after the others; where its link is not
// good any more, all links are asked for again.
type byFiles struct {
	*assessment
	links  []inputs.Secret // by their paths
	linked time.Time       // when they were asked for
	worked bool            // a file came by them
	left   []int           // of links, the next one first
	asked  time.Time       // when the first links were, or when the files were made
	failed int             // files in a row, since one came
}

// fileSet says which files of a list were read.
type fileSet struct {
	Of   string `json:"of,omitzero"`   // see name
	Done []byte `json:"done,omitzero"` // a bit for each file, by their paths
}

// name identifies a list of files by when it was made, and by the paths.
func name(made string, links []inputs.Secret) string {
	h := fnv.New64a()
	for _, link := range links {
		_, _ = h.Write([]byte(path(link) + "\n")) // never fails
	}
	return made + "#" + strconv.FormatUint(h.Sum64(), 16)
}

// path is a link without its query, which is another one each time.
func path(link inputs.Secret) string {
	text, _, _ := strings.Cut(link.Reveal(), "?")
	return text
}

func (f *fileSet) has(i int) bool { return i/8 < len(f.Done) && f.Done[i/8]&(1<<(i%8)) != 0 }

func (f *fileSet) add(i int) {
	for i/8 >= len(f.Done) {
		f.Done = append(f.Done, 0)
	}
	f.Done[i/8] |= 1 << (i % 8)
}

// Request implements collect.Pager.
func (p *byFiles) Request() collect.Request {
	if p.links == nil {
		return collect.Request{Path: p.Files, Form: collect.Index}
	}
	return collect.Request{Link: p.links[p.left[0]], Form: collect.File}
}

// Next implements collect.Pager.
func (p *byFiles) Next(page collect.PageStats) (collect.Pager, error) {
	if p.links == nil {
		return p.index(page)
	}
	return p.file(page)
}

// index takes the links. Files that were read, of the same list, are left out.
func (p *byFiles) index(page collect.PageStats) (collect.Pager, error) {
	if page.Err != nil {
		return nil, page.Err
	}
	asked := page.Asked
	if made, err := time.Parse(time.RFC3339, page.Made); err == nil && made.Year() >= firstYear {
		asked = earlier(asked, made)
	}
	p.linked, p.worked = p.Now(), false
	p.links = slices.SortedFunc(slices.Values(page.Links), func(a, b inputs.Secret) int { return cmp.Compare(path(a), path(b)) })
	of := name(page.Made, p.links)
	if p.read(of) {
		return p.complete(asked)
	}
	if p.place.Files.Of != of || p.asked.IsZero() {
		p.asked = asked
	}
	if p.place.Files.Of != of {
		p.place.Files = fileSet{Of: of}
	}
	p.left = p.left[:0]
	for i := range p.links {
		if !p.place.Files.has(i) {
			p.left = append(p.left, i)
		}
	}
	return p.next()
}

// read reports whether the last complete read was of these files, and its
// documents would be the same.
func (p *byFiles) read(of string) bool {
	last := p.place.Read
	return last != "" && last == p.reading(of)
}

// reading is what is noted of a read of these files; empty where the server does
// not say when it made them.
func (p *byFiles) reading(of string) string {
	switch {
	case strings.HasPrefix(of, "#"):
		return ""
	case p.Epoch == Daily:
		return p.day() + " " + of
	}
	return of
}

// next goes to the next file.
func (p *byFiles) next() (collect.Pager, error) {
	if len(p.left) > 0 {
		return p, nil
	}
	p.place.Read = p.reading(p.place.Files.Of)
	return p.complete(p.asked)
}

// file takes note of a file.
func (p *byFiles) file(page collect.PageStats) (collect.Pager, error) {
	this := p.left[0]
	switch {
	case page.Err == nil:
		p.place.Files.add(this)
		p.left, p.failed, p.worked = p.left[1:], 0, true
		return p.next()
	case isGone(page.Err) && (p.worked || p.Now().Sub(p.linked) >= freshLinks):
		p.links = nil
		return p, nil
	case !isAnswer(page.Err):
		return nil, page.Err
	}
	p.left = append(p.left[1:], this)
	p.failed++
	if p.failed == maxTries || !ofFile(page) {
		p.failed = 0
		p.pause(p) // the next poll continues with another file
		return nil, page.Err
	}
	return p, nil
}

// ofFile reports whether an error is one file's: it came and is damaged or empty, or
// it gives no access. Else it is the service that is in trouble.
func ofFile(page collect.PageStats) bool {
	return page.Opened || isGone(page.Err) || hasStatus(page.Err, http.StatusOK)
}
