package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// edition is a name under which the package is handed out. Assets, data sets and
// input are the same in all editions.
type edition struct {
	Name, Title string
	// raise is added to the major version of the source.
	raise int
}

// The editions. The source has the name of ownName.
var (
	// ownName is for every Kibana: no registry knows the name.
	ownName = edition{Name: "defender_endpoint", Title: "Microsoft Defender for Endpoint (defender-endpoint component)"}
	// elasticName takes the place of Elastic's package. Its version is far above
	// Elastic's, so that Fleet never offers that one as an upgrade.
	elasticName = edition{Name: defender.Type, Title: "Microsoft Defender for Endpoint", raise: 99}

	editions = []*edition{&ownName, &elasticName}
)

var semantic = regexp.MustCompile(`\b(\d+)(\.\d+\.\d+)`)

// version is the edition's version for one of the source, in a text that may hold
// more, such as a comparison.
func (e *edition) version(text string) string {
	return semantic.ReplaceAllStringFunc(text, func(v string) string {
		major, rest, _ := strings.Cut(v, ".")
		n, _ := strconv.Atoi(major) // the pattern lets digits pass only
		return strconv.Itoa(n+e.raise) + "." + rest
	})
}

// contents are the files of the edition's zip by their path, as Kibana takes
// them: what is derived is derived for the edition, references to ECS are
// resolved, the parts of dashboards that Kibana keeps as text are text, and _dev
// is left out.
func (e *edition) contents(ctx context.Context) (map[string][]byte, error) {
	c, err := readCatalogue("fields.csv")
	if err != nil {
		return nil, err
	}
	files, err := e.source(ctx)
	if err != nil {
		return nil, err
	}
	for name, content := range files {
		if files[name], err = c.built(name, content); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return files, nil
}

// source is the package's source as it would be under the edition's name.
func (e *edition) source(ctx context.Context) (map[string][]byte, error) {
	files, err := derived(ctx, e)
	if err != nil {
		return nil, err
	}
	source := os.DirFS(packageDir)
	err = fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "_dev":
			return fs.SkipDir
		case entry.IsDir() || files[name] != nil || ownName.names(name):
			return nil
		}
		files[name], err = fs.ReadFile(source, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if files["manifest.yml"], err = e.manifest(files["manifest.yml"]); err != nil {
		return nil, err
	}
	for name, content := range files {
		if path.Base(name) != "manifest.yml" {
			continue
		}
		files[name] = policyName.ReplaceAll(content, []byte("ilm_policy: logs-"+e.Name+"."))
	}
	files["changelog.yml"] = changelogVersion.ReplaceAllFunc(files["changelog.yml"], func(line []byte) []byte {
		return []byte(e.version(string(line)))
	})
	return files, nil
}

// names reports whether a file of the source carries the edition's name: the same
// saved object has another one in each edition.
func (e *edition) names(file string) bool {
	return strings.HasPrefix(file, "kibana/dashboard/"+e.Name+"-")
}

var (
	manifestIdentity = regexp.MustCompile(`(?m)^(name|title|version): .*$`)
	// policyName begins the name that Fleet gives a policy of a data stream.
	policyName       = regexp.MustCompile(`(?m)^ilm_policy: logs-[a-z_]+\.`)
	changelogVersion = regexp.MustCompile(`(?m)^- version: .*$`)
)

// manifest puts the edition's identity into the source's manifest.
func (e *edition) manifest(content []byte) ([]byte, error) {
	if n := len(manifestIdentity.FindAll(content, -1)); n != 3 {
		return nil, fmt.Errorf("manifest.yml: %d lines with name, title or version, want 3", n)
	}
	return manifestIdentity.ReplaceAllFunc(content, func(line []byte) []byte {
		switch key, _, _ := bytes.Cut(line, []byte(":")); string(key) {
		case "name":
			return []byte("name: " + e.Name)
		case "title":
			return []byte("title: " + e.Title)
		}
		return []byte(e.version(string(line)))
	}), nil
}
