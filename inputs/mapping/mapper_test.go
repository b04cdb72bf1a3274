package mapping

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// mapped is the one document of a record, with its id in front.
func mapped(t *testing.T, m *Mapper, record string, unreadable error) (string, Outcome) {
	t.Helper()
	var document string
	m.Read(Raw(record), unreadable)
	outcome, err := m.Documents(func(d *ecs.Document) error {
		document = d.ID + " " + string(d.AppendJSON(nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return document, outcome
}

// TestNamesComeFromTheTag: in the vendor's object, in faults and in the field of
// what is unknown.
func TestNamesComeFromTheTag(t *testing.T) {
	m, _ := newToy(nil)
	got, outcome := mapped(t, m, `{"id":"a","levelOfRisk":"7","new":1,"parts":["p",{"name":{"x":1},"size":2}]}`, nil)
	for _, want := range []string{
		`"toy":{"incident":{"level_of_risk":7,"unknown":{"parts.size":"2","new":"1"},"parts":["p"]}}`,
		`"error":{"message":["parts.name: want text, got an object"]}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis not in %s", want, got)
		}
	}
	if !outcome.Faulty || outcome.Unknown != 2 || outcome.Dropped != 0 {
		t.Errorf("outcome %+v", outcome)
	}
}

// TestClockIsForRecordsWithoutATime alone, and no part of an id.
func TestClockIsForRecordsWithoutATime(t *testing.T) {
	m, _ := newToy(nil)
	without, _ := mapped(t, m, `{"id":"a"}`, nil)
	with, _ := mapped(t, m, `{"id":"a","createdAt":"2025-01-02T03:04:05Z"}`, nil)
	torn, _ := mapped(t, m, `{"id":`, errors.New("too large"))
	for document, want := range map[string]string{without: "2026-03-02T10:00:00.000Z", with: "2025-01-02T03:04:05.000Z", torn: "2026-03-02T10:00:00.000Z"} {
		if !strings.Contains(document, `{"@timestamp":"`+want) {
			t.Errorf("want %s: %s", want, document)
		}
	}
	if !strings.Contains(torn, `"original":"{\"id\":"`) || !strings.Contains(torn, `"message":["too large"]`) {
		t.Errorf("of an unreadable record: %s", torn)
	}
	m.Begin(Sweep{Epoch: []byte("epoch")})
	if later, _ := mapped(t, m, `{"id":"a"}`, nil); later[:20] == without[:20] || later[20:] != without[20:] {
		t.Errorf("the epoch is to make another id of the same document: %s, %s", without, later)
	}
}

// TestDroppedDocumentsAreCounted and not given out.
func TestDroppedDocumentsAreCounted(t *testing.T) {
	m, _ := newToy(func(s *Settings) {
		s.Process = func(d *ecs.Document) bool { return d.Get("event.id").String() != "a" }
	})
	if got, outcome := mapped(t, m, `{"id":"a"}`, nil); got != "" || outcome.Dropped != 1 {
		t.Errorf("%+v: %s", outcome, got)
	}
	if got, outcome := mapped(t, m, `{"id":"b"}`, nil); got == "" || outcome.Dropped != 0 {
		t.Errorf("%+v: %s", outcome, got)
	}
}

// TestRecordsLeftOutAreCounted, which a mapper makes no document of.
func TestRecordsLeftOutAreCounted(t *testing.T) {
	_, toy := newToy(nil)
	m := NewMapper(toy.Envelope, silent{toy})
	m.Read(Raw(`{}`), nil)
	if outcome, err := m.Documents(nil); err != nil || outcome.Dropped != 1 {
		t.Errorf("%+v, %v", outcome, err)
	}
	if m.Definer() != nil {
		t.Error("a mapper that needs no other lists has them")
	}
}

// silent makes no documents.
type silent struct{ *toyMapper }

func (silent) Documents(func() error) error { return nil }

// TestBeganIsTheSweeps, and now where that has no time.
func TestBeganIsTheSweeps(t *testing.T) {
	m, toy := newToy(nil)
	if !toy.Began().Equal(toyTime) {
		t.Errorf("began %s, want now", toy.Began())
	}
	started := toyTime.Add(-time.Hour)
	m.Begin(Sweep{Started: started})
	if !toy.Began().Equal(started) {
		t.Errorf("began %s, want %s", toy.Began(), started)
	}
}

// TestFold: names are found however they are written, and the same record is one
// version in every writing.
func TestFold(t *testing.T) {
	m, toy := newToy(nil)
	toy.incidents.Fold()
	var contents []string
	for _, record := range []string{
		`{"id":"a","levelOfRisk":1,"createdAt":"2026-01-01T00:00:00Z","other":1}`,
		`{"Id":"a","LevelOfRisk":1,"CreatedAt":"2026-01-01T00:00:00Z","other":1}`,
		`{"ID":"a","level_of_risk":1,"createdAT":"2026-01-01T00:00:00Z","other":1,"title":null}`,
		`{"Id":"a","levelOfRisk":1,"CREATED_AT":"2026-01-01T00:00:00Z","other":1}`,
		`{"id":"a","levelOfRisk":1,"createdAt":"2026-01-01T00:00:00Z","other":1}`,
	} {
		if id, _ := m.Read(Raw(record), nil); id != "a" {
			t.Errorf("%s: id %q", record, id)
		}
		contents = append(contents, string(m.Content()))
		if len(toy.incidents.unknown) != 1 || toy.incidents.unknown[0].name != "other" {
			t.Errorf("%s: unknown %v", record, toy.incidents.unknown)
		}
	}
	for _, content := range contents {
		if content != contents[0] {
			t.Error("another version in another writing")
		}
	}
}

func TestSnake(t *testing.T) {
	for name, want := range map[string]string{
		"id": "id", "osPlatform": "os_platform", "lastExternalIpAddress": "last_external_ip_address",
		"creationDateTimeUtc": "creation_date_time_utc", "errorHResult": "error_h_result",
	} {
		if got := snake(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
