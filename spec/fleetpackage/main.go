package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/elastic/package-spec/v3/code/go/pkg/validator"
)

// Where things are, seen from this folder.
const (
	packageDir  = "../package"
	capturesDir = "../../testdata/defender"
)

// transforms are the package's, with the data streams that each reads. All keep
// the latest state of what their data streams report.
var transforms = map[string][]string{
	"latest_action": {"machine_action"}, "latest_alert": {"log"}, "latest_machine": {"machine"},
	"latest_cdr_vuln": {"vulnerability"}, "latest_cdr_misconfigurations": {"configuration", "baseline"},
}

func main() {
	out := flag.String("o", "", "also write the zip of each edition into this `folder`")
	flag.Parse()
	if err := run(context.Background(), *out); err != nil {
		fmt.Fprintln(os.Stderr, "fleetpackage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) error {
	files, err := derived(ctx, &ownName)
	if err != nil {
		return err
	}
	if err := write(files); err != nil {
		return err
	}
	if err := validator.ValidateFromPath(packageDir); err != nil {
		return fmt.Errorf("the package is not valid: %w", err)
	}
	if out == "" {
		return nil
	}
	for _, e := range editions {
		path, err := archive(ctx, out, e)
		if err != nil {
			return err
		}
		if err := validator.ValidateFromZip(path); err != nil {
			return fmt.Errorf("%s is not valid: %w", path, err)
		}
		fmt.Println(path)
	}
	return nil
}

// derived are the files of an edition that are made from others, by their path
// below packageDir.
func derived(ctx context.Context, e *edition) (map[string][]byte, error) {
	p, err := readManifests(packageDir)
	if err != nil {
		return nil, err
	}
	c, err := readCatalogue("fields.csv")
	if err != nil {
		return nil, err
	}
	documents, err := mapCaptures()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, s := range p.streams {
		dir := "data_stream/" + s.name + "/"
		files[dir+"agent/stream/stream.yml.hbs"] = template(p.vars(), s.vars())
		sample, err := sampleEvent(s.name)
		if err != nil {
			return nil, err
		}
		files[dir+"sample_event.json"] = sample
		if err := c.fieldFiles(files, dir+"fields/", place{streams: []string{s.name}}, documents); err != nil {
			return nil, err
		}
	}
	for name, streams := range transforms {
		if err := c.fieldFiles(files, "elasticsearch/transform/"+name+"/fields/", place{streams, true}, documents); err != nil {
			return nil, err
		}
	}
	if err := ruleFiles(files, e); err != nil {
		return nil, err
	}
	if err := dashboardFiles(ctx, files, e); err != nil {
		return nil, err
	}
	return files, renderDocs(files, c, e)
}

// write writes the files that differ from what is there.
func write(files map[string][]byte) error {
	for name, content := range files {
		path := filepath.Join(packageDir, name)
		if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, content) {
			continue
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		fmt.Println("written:", path)
	}
	return nil
}
