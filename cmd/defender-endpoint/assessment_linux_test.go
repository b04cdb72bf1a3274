package main_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	rowsPeakLimit  = 60 << 10 // KiB, for any number of rows
	rowsStateLimit = 2 << 20  // bytes of all that is saved
)

// TestRowsCostNoMemory reads the vulnerabilities of many devices, 200,000 rows, 4
// million in the long form: from files, and as a list in pages of 200,000 rows. In the
// short form it is 40,000 rows of files; TestJobs has pages. Neither memory nor state
// grow with them, and a row of a file costs no more CPU time than a machine.
func TestRowsCostNoMemory(t *testing.T) {
	measured(t)
	devices, rowsPerFile := 1_000, 40_000
	if *long {
		devices = 20_000
	} else if testing.Short() {
		devices, rowsPerFile = 200, 8_000
	}
	const perDevice = 200
	machines := expectJob(t, startPeer(t, jobs["machines"].tenant), "machine", jobDocuments)
	idle := expectJob(t, startPeer(t, defendertest.Options{}), "log", 0)
	perMachine := (machines.cpu - idle.cpu) / jobDocuments
	for name, settings := range map[string]string{
		"files": "files_above_devices: 0", "list": "page_size: 200000",
	} {
		if testing.Short() && name == "list" {
			continue
		}
		devices := devices
		if name == "list" {
			devices = min(devices, 5_000)
		}
		p := startPeer(t, defendertest.Options{Machines: devices, Vulnerabilities: perDevice, RowsPerFile: rowsPerFile})
		text := strings.Replace(policy(p.URL, p.URL), "endpoint.log}", "endpoint.vulnerability}", 1) +
			"        file_hosts: [\"127.0.0.1\"]\n        software_without_cve: true\n        " + settings + "\n"
		began := time.Now()
		c, stderr, state := runPolicy(t, text)
		rows := devices * perDevice
		if n := p.stored(t); n != rows {
			t.Errorf("%s: %d rows stored of %d:\n%s", name, n, rows, stderr)
		}
		saved := sizeOf(t, state)
		perRow := (c.cpu - idle.cpu) / time.Duration(rows)
		t.Logf("%s: %d rows in %s, %s, %s per row (a machine %s), %d bytes saved", name, rows, time.Since(began).Round(time.Second), c, perRow, perMachine, saved)
		if c.peak > rowsPeakLimit || saved > rowsStateLimit {
			t.Errorf("%s: peak RSS %d KiB, limit %d; %d bytes saved, limit %d", name, c.peak, rowsPeakLimit, saved, rowsStateLimit)
		}
		if name == "files" && perRow > perMachine*12/10 { // a fifth for what else runs on the machine
			t.Errorf("%s: a row costs %s, a machine %s", name, perRow, perMachine)
		}
	}
}

// sizeOf is how many bytes are in the files of a directory.
func sizeOf(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		n += info.Size()
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return n
}
