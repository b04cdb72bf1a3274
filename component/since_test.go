package component_test

import (
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component"
)

// TestSinceBeforeAllYears: a zone can move a time that can be read before the year 0, which
// no checkpoint can hold.
func TestSinceBeforeAllYears(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for text, taken := range map[string]bool{
		"0000-01-01T00:00:00+05:00": false, "0000-12-31T00:00:00Z": false, "0001-06-01T00:00:00Z": true,
		"2026-03-01T00:00:00+05:00": true, "48h": true, "-1h": false, "2026-03-03T00:00:00Z": false, "yesterday": false,
	} {
		if from, err := component.Since(text, now); (err == nil) != taken {
			t.Errorf("%s: %s, %v", text, from, err)
		}
	}
}
