package odata_test

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// weak is a list that fails with pages of more records than it can give, as behind
// a gateway with a time-out.
type weak struct {
	*list
	t     *testing.T
	most  int
	calls int // of a poll
}

func (w *weak) Open(ctx context.Context, r collect.Request) (collect.Page, error) {
	if w.calls++; w.calls > 1000 {
		w.t.Fatal("the poll does not end")
	}
	if top, _ := strconv.Atoi(r.Query.Get("$top")); top > w.most {
		return nil, &api.Error{Kind: api.Transient, Status: 504, Message: "slow"}
	}
	return w.list.Open(ctx, r)
}

// TestServerThatGivesSmallPagesOnly: all is read in the pages that it gives, as soon
// as it is known how large they may be. Where not even the smallest page comes, a
// snapshot in the order of ids is read record by record, and other polls end all the
// same.
func TestServerThatGivesSmallPagesOnly(t *testing.T) {
	for name, kind := range map[string]struct {
		pager  func(odata.Options) collect.Strategy
		refuse func(url.Values) bool
	}{
		"timeline": {pager: odata.Timeline}, "timeline by $skip": {odata.Timeline, has("$orderby")},
		"snapshot": {pager: odata.Snapshot}, "snapshot by $skip": {odata.Snapshot, has("$orderby")},
	} {
		for _, most := range []int{1, 9, 10, 25, 70, 300} {
			t.Run(fmt.Sprintf("%s, %d", name, most), func(t *testing.T) {
				r := newRig(kind.pager, 400)
				r.retention, r.options.PageSize, r.refuse = aDay, 5000, kind.refuse
				w := &weak{list: r.list, t: t, most: most}
				r.source, r.mapper = w, &mapper{}
				var err error
				for range 8 {
					w.calls = 0
					err = r.poll(t)
					r.now = r.now.Add(time.Minute)
				}
				if most < 10 && name != "snapshot" { // the smallest page that is asked for
					if err == nil {
						t.Error("the poll is a success")
					}
					return
				}
				if err != nil {
					t.Error(err)
				}
				r.expectOnce(t)
			})
		}
	}
}
