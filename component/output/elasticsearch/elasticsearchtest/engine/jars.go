package engine

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// node has a folder for each engine: the pom names the jars, the sources start
// the node.
//
//go:embed all:node
var node embed.FS

// resolveLimit bounds Maven's downloads, some 66 MB of OpenSearch or 103 MB of
// Elasticsearch.
const resolveLimit = 5 * time.Minute

// cached is the folder that holds an engine's jars and classes, or will.
func cached(name string) (string, error) {
	root, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	err = fs.WalkDir(node, "node/"+name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := node.ReadFile(path)
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text) // a hash takes all
		return err
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "defender-endpoint-test", "engine-"+name+"-"+hex.EncodeToString(sum.Sum(nil)[:8])), nil
}

// resolve makes the folder with Maven, unless it is there. It is made beside its
// place and renamed, with a local repository of its own: processes that do so at
// the same time do not meet, and the first one to be done wins.
func resolve(ctx context.Context, name, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "resolving-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := build(ctx, name, work); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(work, "made"), dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(dir); there != nil {
			return err
		}
	}
	return nil
}

// build makes the folder "made" in a folder: jars, and classes of the sources.
func build(ctx context.Context, name, work string) error {
	sources, err := fs.Sub(node, "node/"+name)
	if err != nil {
		return err
	}
	if err := os.CopyFS(work, sources); err != nil {
		return err
	}
	made := filepath.Join(work, "made")
	jars, classes := filepath.Join(made, "jars"), filepath.Join(made, "classes")
	ctx, cancel := context.WithTimeout(ctx, resolveLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+jars, "-Dmaven.repo.local="+filepath.Join(work, "repository"))
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("resolve the engine's jars with mvn: %w\n%s", err, out)
	}
	arguments := []string{"-cp", filepath.Join(jars, "*"), "-d", classes}
	err = fs.WalkDir(sources, ".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".java") {
			arguments = append(arguments, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	cmd = exec.CommandContext(ctx, "javac", arguments...)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the engine's start: %w\n%s", err, out)
	}
	const services = "META-INF" // what the sources provide, where there is any
	if _, err := fs.Stat(sources, services); err != nil {
		return nil
	}
	provided, err := fs.Sub(sources, services)
	if err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(classes, services), provided)
}
