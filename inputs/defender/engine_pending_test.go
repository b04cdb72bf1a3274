package defender_test

import (
	"sort"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
)

// pending is the one list of faults that documents still have in a search
// engine. An entry without a fault fails: it must be removed.
var pending = []struct {
	test, kind, field, reason string
	seen                      bool
}{}

// judge fails for each fault that is not pending; equal ones are told once, with
// how often they came.
func judge(t *testing.T, faults []engine.Fault) {
	t.Helper()
	first, count := map[string]engine.Fault{}, map[string]int{}
	for _, f := range faults {
		if isPending(t, f) {
			continue
		}
		key := f.Kind + " " + f.Field + " " + f.Type
		if count[key]++; count[key] == 1 {
			first[key] = f
		}
	}
	var keys []string
	for key := range count {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		t.Errorf("%d times: %v", count[key], first[key])
	}
	for _, p := range pending {
		if p.test == t.Name() && !p.seen {
			t.Errorf("%s of %s is pending (%s) and does not occur: remove its entry", p.kind, p.field, p.reason)
		}
	}
}

func isPending(t *testing.T, f engine.Fault) bool {
	for i := range pending {
		p := &pending[i]
		prefix, below := strings.CutSuffix(p.field, "*")
		if p.test == t.Name() && p.kind == f.Kind && (p.field == f.Field || below && strings.HasPrefix(f.Field, prefix)) {
			p.seen = true
			return true
		}
	}
	return false
}
