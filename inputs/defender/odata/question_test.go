package odata_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// question reports whether a query asks about the order of a page.
func question(q url.Values) bool { return q.Get("$top") == "1" && !q.Has("$orderby") }

// orderQuestions are the lists whose order is asked about.
var orderQuestions = map[string]struct {
	pager     func(odata.Options) collect.Strategy
	retention collect.Retention
	order     func(a, b thing) int
}{
	"timeline": {odata.Timeline, collect.Retention{}, func(a, b thing) int { return a.Updated.Compare(b.Updated) }},
	"snapshot": {odata.Snapshot, aDay, func(a, b thing) int { return strings.Compare(a.ID, b.ID) }},
}

// TestOrderQuestionThatAlwaysFails: it keeps nobody from reading what follows a page,
// in a process that polls once either. The order is believed, the log says so, and
// the question is not asked again at once.
func TestOrderQuestionThatAlwaysFails(t *testing.T) {
	for name, c := range orderQuestions {
		for _, restarts := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", polled once"}[restarts], func(t *testing.T) {
				r := newRig(c.pager, 100)
				r.retention = c.retention
				r.fail = func(q url.Values, _ []thing) bool { return question(q) }
				questions := 0
				for range 20 {
					if err := r.poll(t); err != nil {
						t.Error(err)
					}
					for _, q := range r.asked {
						if question(q) {
							questions++
						}
					}
					if restarts {
						r.restart()
					}
				}
				r.expectOnce(t)
				if !strings.Contains(r.warnings.String(), "order of pages is believed") {
					t.Errorf("warnings: %s", r.warnings.String())
				}
				if !restarts && questions != 2 {
					t.Errorf("%d questions, want 2", questions)
				}
			})
		}
	}
}

// TestOrderQuestionThatFailsOnce: it is asked again, so that a server that does not
// sort is noticed all the same.
func TestOrderQuestionThatFailsOnce(t *testing.T) {
	for name, c := range orderQuestions {
		t.Run(name, func(t *testing.T) {
			r := newRig(c.pager, 100)
			r.retention, r.ignore = c.retention, without("$orderby")
			r.page = func(page []thing) []thing { // sorted, and only within itself
				slices.SortFunc(page, c.order)
				return page
			}
			failed := 0
			r.fail = func(q url.Values, _ []thing) bool {
				if question(q) {
					failed++
				}
				return question(q) && failed == 1
			}
			if err := r.poll(t); err != nil {
				t.Fatal(err)
			}
			if failed < 2 || !strings.Contains(r.warnings.String(), "does not sort") {
				t.Errorf("%d questions; warnings: %s", failed, r.warnings.String())
			}
			r.expectOnce(t)
		})
	}
}
