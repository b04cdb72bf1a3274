package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra/doc"
)

var manDir = flag.String("man", "", "write the manual pages to this folder")

// TestManPages makes a manual page of every command, from its help: there is no other
// text to keep up to date. mage man keeps them.
func TestManPages(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	root := newRoot()
	root.InitDefaultCompletionCmd()
	root.Long += "\n\n# EXIT STATUS\n"
	for _, c := range exitCodes {
		root.Long += fmt.Sprintf("\n**%d**\n: %s\n", c.code, c.meaning)
	}
	root.Long += "\n# ENVIRONMENT\n"
	for _, v := range environment {
		root.Long += fmt.Sprintf("\n**%s**\n: %s\n", v.name, v.meaning)
	}
	header := doc.GenManHeader{Title: "DEFENDER-ENDPOINT", Section: "1", Source: "defender-endpoint " + version}
	if err := doc.GenManTree(root, &header, dir); err != nil {
		t.Fatal(err)
	}
	commands, _ := ours()
	for _, c := range commands {
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		if err != nil || !strings.Contains(string(page), ".SH EXAMPLE") {
			t.Errorf("%s: no page with examples (%v)", c.CommandPath(), err)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "defender-endpoint.1"))
	for _, section := range []string{".SH EXIT STATUS", ".SH ENVIRONMENT", "interrupted by Ctrl-C"} {
		if err != nil || !strings.Contains(string(page), section) {
			t.Errorf("no %q in the first page (%v)", section, err)
		}
	}
}
