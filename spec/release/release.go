package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/spec"
)

// Name is the component's: of its binary, and what archives begin with.
const Name = "defender-endpoint"

// fipsModule is the version of Go's cryptographic module in FIPS builds: the newest
// one with a CMVP certificate (lib/fips140/certified.txt of Go).
const fipsModule = "v1.0.0"

// Target is a platform that there is an archive for.
type Target struct {
	OS, Arch string
	FIPS     bool // built with Go's FIPS 140-3 module, and in its mode
}

// Targets are all of them. windows/arm64 is for agents from 9.2 on.
var Targets = []Target{
	{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"},
	{OS: "linux", Arch: "amd64", FIPS: true}, {OS: "linux", Arch: "arm64", FIPS: true},
	{OS: "darwin", Arch: "amd64"}, {OS: "darwin", Arch: "arm64"},
	{OS: "windows", Arch: "amd64"}, {OS: "windows", Arch: "arm64"},
}

// String is the target in names of files.
func (t Target) String() string {
	if t.FIPS {
		return t.OS + "-" + t.Arch + "-fips"
	}
	return t.OS + "-" + t.Arch
}

// folder is the name of the archive without its ending, and of the one folder in it.
func (t Target) folder(version string) string { return Name + "-" + version + "-" + t.String() }

// binary is the name of the binary.
func (t Target) binary() string {
	if t.OS == "windows" {
		return Name + ".exe"
	}
	return Name
}

// environment is what the go command builds the target with.
func (t Target) environment() []string {
	fips := "off"
	if t.FIPS {
		fips = fipsModule
	}
	return []string{"CGO_ENABLED=0", "GOOS=" + t.OS, "GOARCH=" + t.Arch, "GOFIPS140=" + fips}
}

// Options of Make.
type Options struct {
	Root string // of the repository
	Out  string // folder that is made again
	// Version is spec.Version where it is empty. It may add a suffix to that, such
	// as -rc1.
	Version string
	Key     string // GPG key that signs SHA256SUMS; none where it is empty
}

// Make makes a release. It takes minutes.
func Make(ctx context.Context, o Options) error {
	r, err := prepare(ctx, &o)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if r.notices, err = notices(ctx, o.Root, work); err != nil {
		return fmt.Errorf("third-party notices: %w", err)
	}
	for _, t := range Targets {
		if err := r.target(ctx, t, filepath.Join(work, t.String(), t.binary())); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if err := fleetPackage(ctx, o.Root, o.Out); err != nil {
		return err
	}
	return sums(ctx, o.Out, o.Key)
}

// release is one that is being made.
type release struct {
	root, out string
	version   string
	at        time.Time // of the commit
	notices   []byte
}

// prepare makes paths absolute, empties the folder, and asks git.
func prepare(ctx context.Context, o *Options) (r release, err error) {
	if r.version, err = versionOf(o.Version); err != nil {
		return r, err
	}
	if o.Root, err = filepath.Abs(o.Root); err != nil {
		return r, err
	}
	if o.Out, err = filepath.Abs(o.Out); err != nil {
		return r, err
	}
	r.root, r.out = o.Root, o.Out
	if r.version == spec.Version {
		if err := clean(ctx, r.root); err != nil {
			return r, err
		}
	}
	if r.at, err = commitTime(ctx, r.root); err != nil {
		return r, err
	}
	if err := os.RemoveAll(r.out); err != nil {
		return r, err
	}
	return r, os.MkdirAll(r.out, 0o750)
}

// target makes a target's archive and bill of materials.
func (r release) target(ctx context.Context, t Target, binary string) error {
	if err := build(ctx, r.root, t, r.version, binary); err != nil {
		return err
	}
	if err := billOfMaterials(ctx, r.root, r.version, binary, filepath.Join(r.out, t.folder(r.version)+".cdx.json")); err != nil {
		return fmt.Errorf("bill of materials: %w", err)
	}
	files, err := contents(r.root, t, binary, r.notices)
	if err != nil {
		return err
	}
	return write(r.out, t, r.version, files, r.at)
}

// versionOf is the version of a release: one everywhere.
func versionOf(wanted string) (string, error) {
	if wanted == "" {
		return spec.Version, nil
	}
	if wanted != spec.Version && !strings.HasPrefix(wanted, spec.Version+"-") {
		return "", fmt.Errorf("version %s: this tree is %s (spec/version.go)", wanted, spec.Version)
	}
	return wanted, nil
}

// sums writes SHA256SUMS of all files, as sha256sum -c reads it, and signs it.
func sums(ctx context.Context, dir, key string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		lines = append(lines, hex.EncodeToString(sum[:])+"  "+e.Name()+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	path := filepath.Join(dir, "SHA256SUMS")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		return err
	}
	if key == "" {
		return nil
	}
	return run(ctx, dir, nil, "gpg", "--batch", "--yes", "--armor", "--local-user", key, "--output", path+".asc", "--detach-sign", path)
}
