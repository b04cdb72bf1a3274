package odata_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

func TestFiles(t *testing.T) {
	d := newDesk(t, 25, onlyFiles)
	d.did(t, false, "index, file 0, file 1, file 2")
	d.expectRead(t, 1)
	if len(d.saved) > 400 {
		t.Errorf("%d bytes are saved: %s", len(d.saved), d.saved)
	}
}

// TestFilesOfNewer: files that were read already are not read again; newer ones are.
func TestFilesOfNewer(t *testing.T) {
	d := newDesk(t, 25, onlyFiles)
	d.did(t, false, "index, file 0, file 1, file 2")
	d.restart()
	d.now = d.now.Add(12 * time.Hour)
	d.did(t, false, "index")
	d.now = d.now.Add(12 * time.Hour)
	d.made = "2026-03-03T11:00:00Z"
	d.did(t, false, "index, file 0, file 1, file 2")
	d.expectRead(t, 2)
}

// TestFilesAreReadAgainOnAnotherDay where a thing is to be stored once a day.
func TestFilesAreReadAgainOnAnotherDay(t *testing.T) {
	d := newDesk(t, 5, func(o *odata.Options) { onlyFiles(o); o.Epoch, o.Interval = odata.Daily, 6*time.Hour })
	d.did(t, false, "index, file 0")
	d.now = d.now.Add(6 * time.Hour)
	d.did(t, false, "index")
	d.now = d.now.Add(6 * time.Hour)
	d.did(t, false, "index, file 0")
}

// TestFilesWithoutATime are read each time: nothing shows that they are the same.
func TestFilesWithoutATime(t *testing.T) {
	d := newDesk(t, 5, onlyFiles)
	d.made = ""
	d.did(t, false, "index, file 0")
	d.now = d.now.Add(12 * time.Hour)
	d.did(t, false, "index, file 0")
}

func TestNoFiles(t *testing.T) {
	d := newDesk(t, 0, onlyFiles)
	d.did(t, false, "index")
	d.now = d.now.Add(time.Hour)
	d.did(t, false, "")
}

// TestFileFails: the others are read first, and then it is tried again.
func TestFileFails(t *testing.T) {
	for name, f := range map[string]fault{"cut": broken, "damaged": damage, "empty": empty} {
		d := newDesk(t, 45, onlyFiles)
		d.fails["file 1"] = []fault{f}
		d.did(t, false, "index, file 0, file 1, file 2, file 3, file 4, file 1")
		d.expectRead(t, 1)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestFileThatStaysBad stops none of the others, and the poll reports it. The next
// one needs no other links.
func TestFileThatStaysBad(t *testing.T) {
	d := newDesk(t, 35, onlyFiles)
	d.fails["file 0"] = []fault{damage, damage, damage, damage, damage}
	d.did(t, true, "index, file 0, file 1, file 2, file 3, file 0, file 0, file 0")
	if len(d.published) != 26 { // the damage comes behind a first thing
		t.Errorf("%d published", len(d.published))
	}
	d.now = d.now.Add(30 * time.Second)
	d.did(t, false, "file 0, file 0")
	d.expectRead(t, 1)
}

// TestStoppedInAFile: no other file is asked for.
func TestStoppedInAFile(t *testing.T) {
	d := newDesk(t, 25, onlyFiles)
	d.fails["file 1"] = []fault{{err: context.Canceled}}
	d.did(t, true, "index, file 0, file 1")
	d.did(t, false, "index, file 1, file 2")
	d.expectRead(t, 1)
}

// TestSeveralBadFiles: each poll ends soon, begins with another file, and what is
// good gets through.
func TestSeveralBadFiles(t *testing.T) {
	d := newDesk(t, 65, onlyFiles)
	bad := []fault{damage, damage, damage, damage, damage, damage, damage, damage, damage}
	for _, file := range []string{"file 0", "file 1", "file 2", "file 3"} {
		d.fails[file] = bad
	}
	d.did(t, true, "index, file 0, file 1, file 2")
	d.did(t, true, "file 3, file 4, file 5, file 6, file 0, file 1, file 2")
	d.did(t, true, "file 3, file 0, file 1")
}

// TestServiceOfFilesFails: the poll ends at once, and the next one continues.
func TestServiceOfFilesFails(t *testing.T) {
	for _, f := range []fault{down, status(503), status(429)} {
		d := newDesk(t, 35, onlyFiles)
		d.fails["file 1"] = []fault{f}
		d.did(t, true, "index, file 0, file 1")
		d.now = d.now.Add(30 * time.Second)
		d.did(t, false, "file 2, file 3, file 1")
		d.expectRead(t, 1)
	}
}

// TestExpiredLinks: the links are asked for again, and what was read is not.
func TestExpiredLinks(t *testing.T) {
	d := newDesk(t, 25, onlyFiles)
	d.publishing = func() { d.signature = 1 }
	d.did(t, false, "index, file 0, expired, index, file 1, file 2")
	d.expectRead(t, 1)
}

// TestExpiredLinksOfNewerFiles: the newer files are read, all of them.
func TestExpiredLinksOfNewerFiles(t *testing.T) {
	d := newDesk(t, 25, onlyFiles)
	d.publishing = func() { d.signature, d.made = 1, "2026-03-02T17:00:00Z" }
	d.did(t, false, "index, file 0, expired, index, file 0, file 1, file 2")
	d.expectRead(t, 1)
}

// TestLinkThatGivesNoAccess is one file's trouble: other links are asked for where
// these worked before, or are old.
func TestLinkThatGivesNoAccess(t *testing.T) {
	d := newDesk(t, 25, onlyFiles)
	no := []fault{status(403), status(403), status(403), status(403), status(403), status(403), status(403), status(403), status(403)}
	d.fails["file 0"] = no
	d.did(t, true, "index, file 0, file 1, file 2, file 0, index, file 0, file 0, file 0")
	if len(d.published) != 15 {
		t.Errorf("%d published of the 15 in the other files", len(d.published))
	}
	d.now = d.now.Add(30 * time.Second)
	d.did(t, true, "file 0, file 0, file 0")
	d.now = d.now.Add(5 * time.Minute)
	d.fails["file 0"] = []fault{status(403)}
	d.did(t, false, "file 0, index, file 0")
	d.expectRead(t, 1)
}

// TestKilledFilesContinue with the files that are left, under the same ids.
func TestKilledFilesContinue(t *testing.T) {
	d := newDesk(t, 35, onlyFiles)
	d.fails["file 2"] = []fault{status(500)}
	d.did(t, true, "index, file 0, file 1, file 2")
	var saved struct {
		Place struct {
			Files struct {
				Done []byte `json:"done"`
			} `json:"files"`
		} `json:"place"`
	}
	if err := json.Unmarshal(d.saved, &saved); err != nil || len(saved.Place.Files.Done) != 1 || saved.Place.Files.Done[0] != 3 {
		t.Fatalf("%v, saved %s", err, d.saved)
	}
	d.restart()
	d.fails = map[string][]fault{}
	d.did(t, false, "index, file 2, file 3")
	d.expectRead(t, 1)
}

// TestFilesOfAnImpossibleTime: what .NET writes for a time that is not set, or a year that
// JSON cannot write once the slot is taken off, is no time to ask for changes from.
func TestFilesOfAnImpossibleTime(t *testing.T) {
	for _, made := range []string{"0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z"} {
		d := newDesk(t, 5, func(o *odata.Options) { onlyFiles(o); withChanges(o) })
		d.made = made
		d.did(t, false, "index, file 0")
		d.now = d.now.Add(12 * time.Hour)
		d.did(t, false, "changes 02T06:00:01")
	}
}
