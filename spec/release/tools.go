package release

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The tools, which the go command builds, and the component's main package.
const (
	licenceDetector = "go.elastic.co/go-licence-detector@v0.11.1"
	cyclonedx       = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

	source = "./cmd/" + Name

	// buildTags leave out gRPC's tracing pages: with their templates the linker keeps
	// every method of every library, 6 MB of them.
	buildTags = "grpcnotrace"
)

// build builds a target's binary.
func build(ctx context.Context, root string, t Target, version, binary string) error {
	if err := os.MkdirAll(filepath.Dir(binary), 0o750); err != nil {
		return err
	}
	return run(ctx, root, t.environment(), "go", "build", "-tags", buildTags, "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", binary, source)
}

// billOfMaterials writes what a binary links, as CycloneDX in JSON.
func billOfMaterials(ctx context.Context, root, version, binary, to string) error {
	return run(ctx, root, nil, "go", "run", cyclonedx, "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", version, "-output", to, binary)
}

// fleetPackage writes the zips of the Fleet package.
func fleetPackage(ctx context.Context, root, out string) error {
	return run(ctx, filepath.Join(root, "spec/fleetpackage"), nil, "go", "run", ".", "-o", out)
}

// clean fails where the tree is not that of its commit, which a release would then
// not be made of.
func clean(ctx context.Context, root string) error {
	out, err := output(ctx, root, nil, "git", "status", "--porcelain")
	if err == nil && len(out) > 0 {
		err = fmt.Errorf("commit these first, or give the version a suffix:\n%s", out)
	}
	return err
}

// commitTime is the time of the commit that is released.
func commitTime(ctx context.Context, root string) (time.Time, error) {
	out, err := output(ctx, root, nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// run runs a program, which may print.
func run(ctx context.Context, dir string, environment []string, name string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, name, arguments...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, arguments[0], err)
	}
	return nil
}

// output runs a program and returns what it prints.
func output(ctx context.Context, dir string, environment []string, name string, arguments ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, arguments...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, arguments[0], err, errors.String())
	}
	return out.Bytes(), nil
}
