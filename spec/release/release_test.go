package release

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/spec"
)

const root = "../.."

// everywhere are the files of every archive, beside the binary.
var everywhere = []string{
	"CHANGELOG.md", "LICENSE", "NOTICE", "README.md", "THIRD-PARTY-NOTICES.txt", "defender-endpoint.spec.yml",
	path.Join("docs", "HEALTH.md"), "docs/README.md", "docs/alerts.md", "docs/credentials.md", "docs/deployment.md", "docs/figures.md", "docs/findings.md", "docs/packages.md",
	"docs/promises.md", "docs/reading.md", "docs/response.md", "docs/settings.md", "docs/troubleshooting.md",
	"examples/elastic-agent.yml", "examples/gcc-high.yml", "examples/kafka.yml", "examples/logstash.yml", "examples/many-tenants.yml", "examples/several-tenants.yml", "examples/shipper.yml",
}

// besides are there too where there are containers and systemd.
var besides = []string{"examples/Dockerfile", "examples/defender-endpoint.service", "examples/kubernetes.yml"}

// packed is an archive as it is read back: contents and modes by name.
type packed struct {
	contents map[string][]byte
	modes    map[string]fs.FileMode
}

// pack makes a target's archive with a binary that says so, and reads it back.
func pack(t *testing.T, target Target) packed {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "built")
	if err := os.WriteFile(binary, []byte("the binary"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := contents(root, target, binary, []byte("texts"))
	if err != nil {
		t.Fatal(err)
	}
	if err := write(dir, target, "1.2.3", files, time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	p := packed{map[string][]byte{}, map[string]fs.FileMode{}}
	folder := "defender-endpoint-1.2.3-" + target.String() + "/"
	add := func(name string, mode fs.FileMode, from io.Reader) {
		b, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		below, ok := strings.CutPrefix(name, folder)
		if !ok {
			t.Errorf("%s is not in the folder %s", name, folder)
		}
		p.contents[below], p.modes[below] = b, mode
	}
	if target.OS == "windows" {
		readZip(t, filepath.Join(dir, strings.TrimSuffix(folder, "/")+".zip"), add)
	} else {
		readTar(t, filepath.Join(dir, strings.TrimSuffix(folder, "/")+".tar.gz"), add)
	}
	return p
}

func readTar(t *testing.T, name string, add func(string, fs.FileMode, io.Reader)) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	uncompressed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(uncompressed); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		add(h.Name, h.FileInfo().Mode(), r)
	}
}

func readZip(t *testing.T, name string, add func(string, fs.FileMode, io.Reader)) {
	t.Helper()
	r, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, member := range r.File {
		from, err := member.Open()
		if err != nil {
			t.Fatal(err)
		}
		add(member.Name, member.Mode(), from)
		if err := from.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestContents: what is in the archive of each target, and that each has its own
// spec and can be run by anybody.
func TestContents(t *testing.T) {
	for _, target := range Targets {
		t.Run(target.String(), func(t *testing.T) {
			p := pack(t, target)
			want := append(slices.Clone(everywhere), target.binary())
			if target.OS == "linux" {
				want = append(want, besides...)
			}
			slices.Sort(want)
			if got := slices.Sorted(maps.Keys(p.contents)); !slices.Equal(got, want) {
				t.Errorf("holds %v\nwant  %v", got, want)
			}
			for name, mode := range p.modes {
				expected := fs.FileMode(0o644)
				if name == target.binary() {
					expected = 0o755
				}
				if mode != expected || len(p.contents[name]) == 0 {
					t.Errorf("%s: mode %v and %d bytes, want %v", name, mode, len(p.contents[name]), expected)
				}
			}
			if got := p.contents["defender-endpoint.spec.yml"]; !bytes.Equal(got, spec.For(target.OS, target.Arch)) {
				t.Errorf("another spec:\n%s", got)
			}
		})
	}
}

// TestPagesLeadOn: a relative link of a page in an archive leads to a file there,
// and no page leads into the repository by its folders.
func TestPagesLeadOn(t *testing.T) {
	for _, target := range Targets {
		p, links := pack(t, target), 0
		for name, content := range p.contents {
			if !strings.HasSuffix(name, ".md") {
				continue
			}
			for _, m := range markdownLink.FindAllStringSubmatch(string(content), -1) {
				file, external := strings.CutPrefix(m[1], project)
				if links++; external {
					if _, err := os.Stat(filepath.Join(root, file)); err != nil {
						t.Errorf("%s: %s leads nowhere: %v", name, m[1], err)
					}
				} else if !strings.Contains(m[1], "://") && !p.leads(path.Join(path.Dir(name), m[1])) {
					t.Errorf("%s: %s: %s is not in the archive", target, name, m[1])
				}
			}
		}
		if links < 10 {
			t.Errorf("%s: only %d links", target, links)
		}
	}
}

// leads reports whether there is such a file or folder.
func (p packed) leads(name string) bool {
	for at := range p.contents {
		if at == name || strings.HasPrefix(at, name+"/") {
			return true
		}
	}
	return false
}

// TestEqualInputsMakeEqualArchives: nothing of the machine or the clock is in them.
func TestEqualInputsMakeEqualArchives(t *testing.T) {
	files := func() []file { return []file{{"b", []byte("2"), false}, {"a", []byte("1"), true}} }
	for name, pack := range map[string]func(io.Writer, string, []file, time.Time) error{"tar": packTar, "zip": packZip} {
		var one, two bytes.Buffer
		at := time.Unix(1_700_000_000, 0).UTC()
		if err := errors.Join(pack(&one, "f", files(), at), pack(&two, "f", files(), at)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%s: two archives differ", name)
		}
	}
}

// TestEveryModuleHasALicence: what the binaries link is in licences.csv, under a
// licence that is allowed, and NOTICE names those that restrict.
func TestEveryModuleHasALicence(t *testing.T) {
	modules, err := linked(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	known, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(known)); !slices.Equal(got, modules) {
		t.Errorf("licences.csv is stale: run go tool mage notices\nlisted %v\nlinked %v", got, modules)
	}
	notice, err := os.ReadFile(filepath.Join(root, "NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	for name, licence := range known {
		if !slices.Contains(allowed, licence) {
			t.Errorf("%s: licence %q is not allowed", name, licence)
		}
		if strings.HasPrefix(licence, "Elastic") && !strings.Contains(string(notice), "\n"+name+"\n") {
			t.Errorf("NOTICE does not name %s (%s)", name, licence)
		}
	}
}

// TestElasticLicencesAreWhatNoticeSays: the texts in the module cache are those
// whose restrictions NOTICE states.
func TestElasticLicencesAreWhatNoticeSays(t *testing.T) {
	for module, says := range map[string][]string{
		"github.com/elastic/elastic-agent-client/v7": {
			"Posted Date: April 20, 2018", "distribute, sublicense, loan or otherwise transfer, Elastic Software Object", "only for reasonable testing purposes",
			"Non-production Environment", "Prohibited SaaS Offering", "elastic_license@elastic.co",
		},
		"github.com/elastic/elastic-agent-shipper-client": {"Elastic License 2.0", "hosted or managed", "use, copy, distribute, make"},
	} {
		out, err := output(t.Context(), root, nil, "go", "list", "-m", "-f", "{{.Dir}}", module)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "LICENSE.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range says {
			if !strings.Contains(string(text), s) {
				t.Errorf("%s: the licence does not say %q", module, s)
			}
		}
	}
}

// TestSums: sha256sum and gpg accept what is written, where they are installed.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.zip", "a.tar.gz"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := signingKey(t)
	if err := sums(t.Context(), dir, key); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "0a67bba7da46793c9f1908a7eec3d06a11ba7bc00bf749c31bb134f4f45ebcad  a.tar.gz\n"
	if !strings.HasPrefix(string(b), want) || strings.Count(string(b), "\n") != 2 {
		t.Errorf("SHA256SUMS is\n%s", b)
	}
	if key != "" {
		if err := run(t.Context(), dir, nil, "gpg", "--batch", "--verify", "SHA256SUMS.asc", "SHA256SUMS"); err != nil {
			t.Error(err)
		}
	}
}

// signingKey makes a key in a keyring of the test's own; none without gpg.
func signingKey(t *testing.T) string {
	if _, err := exec.LookPath("gpg"); err != nil {
		return ""
	}
	home, err := os.MkdirTemp("", "gpg") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		_ = run(context.Background(), home, nil, "gpgconf", "--kill", "all") // ends its agent
		_ = os.RemoveAll(home)
	})
	const name = "release@example.org"
	if err := run(t.Context(), home, nil, "gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "1d"); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestVersionOf: a release has the tree's version, with a suffix at most.
func TestVersionOf(t *testing.T) {
	for wanted, want := range map[string]string{"": spec.Version, spec.Version: spec.Version, spec.Version + "-rc1": spec.Version + "-rc1", "0.0.1": "", spec.Version + "1": ""} {
		if got, err := versionOf(wanted); got != want || (err == nil) == (want == "") {
			t.Errorf("%q: %q, %v", wanted, got, err)
		}
	}
}

// sizeLimit is how large the program may be, bytes: a library that lets the linker
// keep every method of all others costs six million.
const sizeLimit = 26_000_000

// TestFIPSBinary: the binary of a FIPS build has the module and its mode, says its
// version, is small, and has no path of this machine.
func TestFIPSBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the program and the standard library; TestContents looks at the archives")
	}
	target := Target{OS: "linux", Arch: "amd64", FIPS: true}
	binary := filepath.Join(t.TempDir(), target.binary())
	if err := build(t.Context(), root, target, "1.2.3-test", binary); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(binary); err != nil || info.Size() > sizeLimit {
		t.Errorf("%v, %d bytes, want at most %d: see buildTags", err, info.Size(), sizeLimit)
	}
	out, err := output(t.Context(), root, nil, "go", "version", "-m", binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"GOFIPS140=" + fipsModule, "fips140=on", "-trimpath=true"} {
		if !strings.Contains(string(out), says) {
			t.Errorf("the binary does not say %s:\n%s", says, out)
		}
	}
	if runtime.GOOS != target.OS || runtime.GOARCH != target.Arch {
		return
	}
	if out, err = output(t.Context(), root, nil, binary, "version"); err != nil || !strings.HasPrefix(string(out), Name+" 1.2.3-test ") {
		t.Errorf("it calls itself %q, %v", out, err)
	}
}
