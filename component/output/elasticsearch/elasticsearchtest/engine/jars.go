package engine

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// What is started: the pom names the jars, the source file starts the node.
var (
	//go:embed node/pom.xml
	pom []byte
	//go:embed node/Engine.java
	source []byte
)

// resolveLimit bounds Maven's downloads, some 66 MB.
const resolveLimit = 5 * time.Minute

// cached is the folder that holds the jars and the source file, or will.
func cached() (string, error) {
	root, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(pom[:len(pom):len(pom)], source...))
	return filepath.Join(root, "defender-endpoint-test", "engine-"+hex.EncodeToString(sum[:8])), nil
}

// resolve makes the folder with Maven, unless it is there. It is made beside its
// place and renamed, with a local repository of its own: processes that do so at
// the same time do not meet, and the first one to be done wins.
func resolve(ctx context.Context, dir string) error {
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
	made := filepath.Join(work, "made")
	if err := errors.Join(
		os.Mkdir(made, 0o700),
		os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600),
		os.WriteFile(filepath.Join(made, "Engine.java"), source, 0o600),
	); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(made, "jars"), "-Dmaven.repo.local="+filepath.Join(work, "repository"))
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("resolve the engine's jars with mvn: %w\n%s", err, out)
	}
	if err := os.Rename(made, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(dir); there != nil {
			return err
		}
	}
	return nil
}
