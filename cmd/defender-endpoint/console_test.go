package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestProgressClearsItself: what is written is above it, and nothing of it is
// left.
func TestProgressClearsItself(t *testing.T) {
	var out bytes.Buffer
	c := &console{out: &out, width: func() int { return 12 }}
	c.show("ten of many records")
	if _, err := c.Write([]byte("a line\n")); err != nil {
		t.Fatal(err)
	}
	c.show("twenty")
	c.show("")
	c.show("")
	const want = clearLine + "ten of many" + clearLine + "a line\n" + "ten of many" + clearLine + "twenty" + clearLine
	if out.String() != want {
		t.Errorf("got %q\nwant %q", out.String(), want)
	}
}

// TestNoProgressButOnATerminal: a log file gets lines alone.
func TestNoProgressButOnATerminal(t *testing.T) {
	var out bytes.Buffer
	b := newBoard(slog.New(slog.DiscardHandler), newConsole(&out))
	b.progress(nil, time.Second)
	b.sumUp(map[string]inputs.Counts{
		"a": {Records: 10, Duplicates: 3, Documents: 9, Dropped: 2, Published: inputs.Result{Stored: 5, Existing: 2, Minimal: 1, Bare: 1, KeptAside: 1}},
		"b": {Records: 1, Documents: 1, Quarantined: 1, Published: inputs.Result{Stored: 1}},
	}, time.Second)
	const want = "records 11 = seen before 3 + mapped 8 (quarantined 1), documents 10 = stored 6 + already there 2 + minimal 1 + bare 1, " +
		"in the failure store 1, dropped by processors 2, 1.0 s\n"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", out.String(), want)
	}
}

// TestLogFormats: a person gets text, a program JSON, and colours only where they are
// wanted.
func TestLogFormats(t *testing.T) {
	terminal := func() int { return 80 }
	for name, c := range map[string]struct {
		format, noColor string
		width           func() int
		json, colour    bool
	}{
		"a terminal":         {format: "auto", width: terminal, colour: true},
		"NO_COLOR":           {format: "auto", width: terminal, noColor: "1"},
		"a file":             {format: "auto", json: true},
		"text for a file":    {format: "text"},
		"json on a terminal": {format: "json", width: terminal, json: true},
	} {
		t.Setenv("NO_COLOR", c.noColor)
		var out bytes.Buffer
		log, err := newConsoleLog(&console{out: &out, width: c.width}, c.format, slog.LevelInfo)
		if err != nil {
			t.Fatal(err)
		}
		log.Warn("a message", "unit.id", "x", "error", "evil \x1b[41m text")
		line := out.String()
		if strings.HasPrefix(line, "{") != c.json || strings.Contains(line, "\x1b[") != c.colour || strings.Contains(line, "\x1b[41m") || !strings.Contains(line, "a message") {
			t.Errorf("%s: %q", name, line)
		}
	}
	if _, err := newConsoleLog(&console{}, "xml", slog.LevelInfo); err == nil || err.Error() != `--log-format: want auto, text, json, got "xml"` {
		t.Errorf("got %v", err)
	}
}
