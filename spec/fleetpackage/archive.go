package main

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// archive writes an edition as Kibana takes it into a folder and returns the
// file's path.
func archive(ctx context.Context, dir string, e *edition) (name string, err error) {
	p, err := readManifests(packageDir)
	if err != nil {
		return "", err
	}
	files, err := e.contents(ctx)
	if err != nil {
		return "", err
	}
	base := e.Name + "-" + e.version(p.Version)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	name = filepath.Join(dir, base+".zip")
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer func() {
		if closing := f.Close(); err == nil {
			err = closing
		}
	}()
	w := zip.NewWriter(f)
	folders := map[string]bool{".": true}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := addFolders(w, base, path.Dir(file), folders); err != nil {
			return "", err
		}
		to, err := w.CreateHeader(member(base, file))
		if err != nil {
			return "", err
		}
		if _, err := to.Write(files[file]); err != nil {
			return "", err
		}
	}
	return name, w.Close()
}

// addFolders adds a folder and those above it, unless they are there.
func addFolders(w *zip.Writer, base, dir string, there map[string]bool) error {
	if there[dir] {
		return nil
	}
	there[dir] = true
	if err := addFolders(w, base, path.Dir(dir), there); err != nil {
		return err
	}
	_, err := w.CreateHeader(member(base, dir+"/"))
	return err
}

// member is a file in the zip. Its time is fixed, so that equal packages are
// equal zips.
func member(base, file string) *zip.FileHeader {
	return &zip.FileHeader{
		Name: base + "/" + file, Method: zip.Deflate,
		Modified: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// built is a file's content in the zip.
func (c catalogue) built(file string, content []byte) ([]byte, error) {
	switch {
	case path.Base(path.Dir(file)) == "fields":
		var list []definition
		if err := yaml.Unmarshal(content, &list); err != nil {
			return nil, err
		}
		if err := c.resolve(list); err != nil {
			return nil, err
		}
		return toYAML(list)
	case strings.HasPrefix(file, "kibana/dashboard/"):
		return encodeDashboard(content)
	}
	return content, nil
}

// texts are the members of a dashboard's attributes that Kibana keeps as text.
var texts = [][]string{
	{"panelsJSON"}, {"optionsJSON"}, {"kibanaSavedObjectMeta", "searchSourceJSON"},
	{"controlGroupInput", "panelsJSON"}, {"controlGroupInput", "ignoreParentSettingsJSON"},
}

func encodeDashboard(content []byte) ([]byte, error) {
	var o object
	if err := json.Unmarshal(content, &o); err != nil {
		return nil, err
	}
	for _, names := range texts {
		at, _ := o["attributes"].(object)
		last := len(names) - 1
		for _, name := range names[:last] {
			at, _ = at[name].(object)
		}
		if at[names[last]] == nil {
			return nil, fmt.Errorf("no attributes.%s", strings.Join(names, "."))
		}
		text, err := json.Marshal(at[names[last]])
		if err != nil {
			return nil, err
		}
		at[names[last]] = string(text)
	}
	return json.MarshalIndent(o, "", "  ")
}
