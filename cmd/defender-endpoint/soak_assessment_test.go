package main_test

import (
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// assessmentRows are about lists that are read as a whole, by links and by files,
// and about changes of findings. The streams of a row are few: the service's limit
// for calls that name files would make others wait for minutes.
func assessmentRows() []row {
	rounds := 6
	if *long {
		rounds = 100
	}
	files := func(name string, run func(*soak), streams ...string) row {
		return assessmentRow(name, map[string]any{"files_above_devices": 0.0}, run, streams...)
	}
	rows := []row{
		files("SIGKILL while files are read", func(s *soak) { s.killWhileReading(rounds, true) }, "vulnerability", "information_gathering"),
		assessmentRow("SIGKILL while a list is read", nil, func(s *soak) { s.killWhileReading(rounds, false) }, "vulnerability"),
		assessmentRow("SIGKILL while two lists are read", nil, func(s *soak) { s.killWhileReading(rounds, false) }, "configuration", "baseline"),
		files("files that go wrong in every way", func(s *soak) {
			s.tenant.Fail(
				defendertest.Rule{Path: exportedFiles, EmptyBody: true, Times: 1},
				defendertest.Rule{Path: exportedFiles, CutAfter: 3000, Times: 2, After: 2},
				defendertest.Rule{Path: exportedFiles, CutAfter: 3000, CutClean: true, Times: 2, After: 5},
				defendertest.Rule{Path: exportedFiles, NotJSON: true, Times: 1, After: 8},
				defendertest.Rule{Path: exportedFiles, Status: 503, Times: 1, After: 9},
			)
			s.expectWhole(true)
			collectAll(s)
		}, "vulnerability"),
		files("links that expire", func(s *soak) {
			s.expectWhole(true)
			served := 0
			s.tenant.AfterPage(func(defendertest.Request) {
				if served++; served == 4 {
					s.tenant.ExpireLinks()
				}
			})
			collectAll(s)
		}, "configuration"),
		assessmentRow("links that die", nil, func(s *soak) {
			s.tenant.Fail(defendertest.Rule{Path: "/api/machines/", Query: "skiptoken", Status: 400, Times: 1, After: 1})
			s.expectWhole(false)
			collectAll(s)
		}, "baseline"),
	}
	rows[3].resends, rows[5].resends = true, true // what is asked for again comes again
	return rows
}

const exportedFiles = "/tvm-export/"

// assessmentRow is a row of some assessment streams.
func assessmentRow(name string, settings map[string]any, run func(*soak), streams ...string) row {
	all := map[string]any{"page_size": 150.0, "software_without_cve": true, "file_hosts": []any{"127.0.0.1"}, "interval": "12h"}
	for name, v := range settings {
		all[name] = v
	}
	var list []any
	for _, stream := range streams {
		entry := map[string]any{"id": stream + "-1", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint." + stream}}
		if stream == "vulnerability" {
			entry["interval"] = "2s" // of its changes
		}
		list = append(list, entry)
	}
	all["streams"] = list
	return row{
		name: "s: " + name, settings: all, streams: streams, run: run,
		options: defendertest.Options{Machines: 120, Vulnerabilities: 4, Configurations: 4, Baselines: 4, RowsPerFile: 40},
	}
}

// assessmentsOf are what streams read.
var assessmentsOf = map[string]defendertest.Assessment{
	"vulnerability": defendertest.Vulnerabilities, "configuration": defendertest.Configurations,
	"baseline": defendertest.Baselines, "information_gathering": defendertest.Gathered,
}

// expectWhole makes the rows as they are now what is to be stored.
func (s *soak) expectWhole(files bool) {
	s.rows = map[string]bool{}
	for _, stream := range s.streams {
		for row := range s.tenant.RowBodies(assessmentsOf[stream], files) {
			s.rows[row] = true
		}
	}
}

// killWhileReading kills at random moments while everything is read, and then
// while findings change.
func (s *soak) killWhileReading(rounds int, files bool) {
	s.expectWhole(files)
	s.es.Fault(elasticsearchtest.Fault{Delay: 3 * time.Millisecond})
	changed := 0
	for range rounds {
		s.startAndKill(1 + s.random.IntN(6))
		s.forgetCalls() // a process that is started so often would wait for the limits, which have tests of their own
		if s.readAsAWhole() {
			changed++
			s.changeFindings()
		}
	}
	if *long && changed == 0 && s.streams[0] == "vulnerability" {
		s.Error("the findings were never read as a whole")
	}
}

// readAsAWhole reports whether the next read of findings is one of changes: what a
// finding was before is not in the list any more once it changed.
func (s *soak) readAsAWhole() bool {
	for _, file := range s.checkpoints() {
		if text := read(s, file); strings.Contains(text, "vulnerability") && strings.Contains(text, "complete") {
			return true
		}
	}
	return false
}

// changeFindings fixes, finds, changes and moves some findings, and expects each of
// the changes to be stored.
func (s *soak) changeFindings() {
	s.Helper()
	for _, change := range []func(...int) error{
		s.tenant.FixFindings, s.tenant.FindAgain, s.tenant.MoveFindings,
		func(rows ...int) error { return s.tenant.ChangeRows(defendertest.Vulnerabilities, rows...) },
	} {
		if err := change(s.random.IntN(s.tenant.Rows(defendertest.Vulnerabilities))); err != nil {
			s.Fatal(err)
		}
	}
	for row := range s.tenant.ChangeBodies(defendertest.Vulnerabilities) {
		s.rows[row] = true
	}
}
