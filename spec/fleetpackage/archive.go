package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// archive writes the package as Kibana takes it into a folder and returns the
// file's path. Beside the source, references to ECS are resolved, the parts of
// dashboards that Kibana keeps as text are text, and _dev is left out.
func archive(dir string) (name string, err error) {
	p, err := readManifests(packageDir)
	if err != nil {
		return "", err
	}
	c, err := readCatalogue("fields.csv")
	if err != nil {
		return "", err
	}
	base := p.Name + "-" + p.Version
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
	source := os.DirFS(packageDir)
	err = fs.WalkDir(source, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == "." {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == "_dev" {
				return fs.SkipDir
			}
			_, err := w.CreateHeader(member(base, file+"/"))
			return err
		}
		content, err := fs.ReadFile(source, file)
		if err != nil {
			return err
		}
		if content, err = c.built(file, content); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		to, err := w.CreateHeader(member(base, file))
		if err != nil {
			return err
		}
		_, err = to.Write(content)
		return err
	})
	if err != nil {
		return "", err
	}
	return name, w.Close()
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
