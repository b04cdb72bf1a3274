package odata

import (
	"strconv"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
)

// Probe finds out how a server is to be asked, with queries of a poll that
// match little or nothing. ask sends one; a query with no answer but a 404 is
// taken. The error is that of the last query, where there is no way to ask.
func Probe(o Options, strategy func(Options) collect.Strategy, ask func(collect.Request) error) (Ways, error) {
	var ways Ways
	o.Show = func(w Ways) { ways = w }
	s := strategy(o)
	if err := s.Restore(nil); err != nil {
		return ways, err
	}
	pager, err := s.Begin(), error(nil)
	for pager != nil {
		if p, is := pager.(*byID); is {
			p.from = "~" // behind every id
		}
		request := pager.Request()
		answer := collect.PageStats{Err: ask(request)}
		if !refused(answer) {
			ways.PageSize, _ = strconv.Atoi(request.Query.Get("$top"))
			if noRecords(answer) {
				return ways, nil
			}
			return ways, answer.Err
		}
		pager, err = pager.Next(answer)
	}
	return ways, err
}
