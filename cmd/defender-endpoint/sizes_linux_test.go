package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	// sizeLimit is what a process may take at its peak for any record that is
	// read, in KiB: an agentless pod has 512 MiB for all it does.
	sizeLimit = 150 << 10
	// sizeTime is how long any record may take, in CPU time of the process.
	sizeTime = 30 * time.Second
	// largeRecord is the length of a record that is nearly too large, in bytes.
	largeRecord = 11 << 20
)

// sizes are records whose documents would be much larger than they are.
var sizes = map[string]struct {
	resource           defendertest.Resource
	stream, settings   string
	before, each, last string // the record: each is repeated
	length             int
	documents          int
	long               bool // takes seconds
}{
	"11 MB of techniques":          {defendertest.Alerts, "log", "", `"mitreTechniques":["a"`, `,"a"`, `]`, largeRecord, 1, false},
	"11 MB of comments":            {defendertest.Alerts, "log", "", `"comments":[{}`, `,{}`, `]`, largeRecord, 1, false},
	"11 MB of tags":                {defendertest.Machines, "machine", "", `"machineTags":[1`, `,1`, `]`, largeRecord, 1, false},
	"11 MB of interfaces":          {defendertest.Machines, "machine", "", `"ipAddresses":[{}`, `,{"type":"x"}`, `]`, largeRecord, 1, false},
	"11 MB of commands":            {defendertest.MachineActions, "machine_action", "", `"commands":[1`, `,[]`, `]`, largeRecord, 1, false},
	"11 MB of unknown members":     {defendertest.Alerts, "log", "", `"a":1`, `,"b":1`, ``, largeRecord, 1, false},
	"an unknown member of 11 MB":   {defendertest.Alerts, "log", "", `"a":[1`, `,1`, `]`, largeRecord, 1, false},
	"a description of 11 MB":       {defendertest.Alerts, "log", "", `"description":"`, `\"`, `"`, largeRecord, 1, false},
	"11 MB of whole evidence":      {defendertest.Alerts, "log", "evidence: whole", `"evidence":[{}`, `,{"sha1":"x"}`, `]`, largeRecord, 1, false},
	"11 MB of empty evidence":      {defendertest.Alerts, "log", "", `"evidence":[{}`, `,{}`, `]`, largeRecord, 1<<18 + 1, false},
	"200,000 equal items":          {defendertest.Alerts, "log", "", `"evidence":[{"sha1":"x"}`, `,{"sha1":"x"}`, `]`, 199_999 * 13, 200_000, true},
	"155 KB with 500 items":        {defendertest.Alerts, "log", "", `"detectorId":"` + strings.Repeat("x", 8000) + `","a":["` + strings.Repeat("y", 90_000) + `"],"evidence":[{"sha1":"x"}`, `,{"sha1":"` + strings.Repeat("0", 100) + `"}`, `]`, 499 * 112, 500, false},
	"155 KB with many originals":   {defendertest.Alerts, "log", "preserve_original_event: true", `"title":"` + strings.Repeat("x", 98_000) + `","evidence":[{"sha1":"x"}`, `,{"sha1":"` + strings.Repeat("0", 100) + `"}`, `]`, 499 * 112, 500, false},
	"11 MB with a fault and items": {defendertest.Alerts, "log", "", `"incidentId":{},"title":"` + strings.Repeat("x", 10<<20) + `","evidence":[{"sha1":"x"}`, `,{"sha1":"x"}`, `]`, 1 << 20, 25, true},
}

// TestSizes: no matter what a record is made of, memory and time are bounded, and each
// of its documents is stored.
func TestSizes(t *testing.T) {
	leaveOut(t, "TestHugeRecord")
	measured(t)
	for name, s := range sizes {
		t.Run(name, func(t *testing.T) {
			if s.long && !*long {
				t.Skip("takes seconds: run with -long")
			}
			now := time.Now().UTC().Add(-time.Minute).Format(time.RFC3339)
			record := fmt.Sprintf(`{"id":"large","lastUpdateTime":%q,"lastUpdateDateTimeUtc":%q,%s%s%s}`,
				now, now, s.before, strings.Repeat(s.each, s.length/len(s.each)), s.last)
			tenant := defendertest.New(defendertest.Options{Seed: 1})
			tenant.Add(s.resource, record)
			es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key", CountOnly: true})
			c, stderr := runJob(t, listen(t, tenant), listen(t, es), s.stream, s.settings)
			stored := es.Stats().Stored
			t.Logf("%d KB, %d documents: %s", len(record)>>10, stored, c)
			if stored != s.documents {
				t.Errorf("%d documents stored, want %d:\n%s", stored, s.documents, stderr)
			}
			if c.peak > sizeLimit {
				t.Errorf("peak RSS %d KiB, limit %d KiB", c.peak, sizeLimit)
			}
			if c.cpu > sizeTime {
				t.Errorf("CPU %s, limit %s", c.cpu, sizeTime)
			}
		})
	}
}
