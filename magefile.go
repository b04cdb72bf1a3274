//go:build mage

// Build targets: go tool mage <target>.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/magefile/mage/sh"

	"github.com/defender-endpoint/defender-endpoint/spec/release"
)

const (
	source = "./cmd/defender-endpoint"
	linter = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0"

	benchstat       = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"
	vulnerabilities = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"

	before   = "build/bench-before.txt"
	measured = "build/bench.txt"
)

// Build makes build/defender-endpoint for this machine.
func Build() error {
	return sh.RunWithV(map[string]string{"CGO_ENABLED": "0"}, "go", "build", "-tags", "grpcnotrace", "-trimpath", "-o", "build/", source)
}

// Test runs all tests with the race detector.
func Test() error { return sh.RunV("go", "test", "-race", "./...") }

// Man makes the manual pages in build/man.
func Man() error {
	dir, err := filepath.Abs("build/man")
	if err != nil {
		return err
	}
	return sh.RunV("go", "test", source, "-count=1", "-run", "^TestManPages$", "-man", dir)
}

// fuzzTargets are "package target".
var fuzzTargets = []string{
	"./ecs FuzzScanner", "./inputs/defender FuzzRecord", "./inputs/defender FuzzProcessors",
	"./inputs/defender/api FuzzPage", "./inputs/defender/api FuzzErrorBody",
	"./component/output/shipper FuzzEvent", "./component/standalone FuzzExpand", "./inputs/records FuzzEach",
	"./component/output/kafka FuzzAnswers",
}

// Fuzz runs every fuzz target for a minute.
func Fuzz() error {
	for _, t := range fuzzTargets {
		pkg, target, _ := strings.Cut(t, " ")
		// Minimizing what is merely interesting would use up the minute.
		if err := sh.RunV("go", "test", pkg, "-run", "^$", "-fuzz", "^"+target+"$", "-fuzztime", "60s", "-fuzzminimizetime", "10x"); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// Soak runs the long form of the proof that nothing is lost and nothing stored
// twice, and prints its table. It takes some minutes.
func Soak() error {
	return sh.RunV("go", "test", source, "-run", "^TestSoak$", "-long", "-count", "1", "-timeout", "60m", "-v",
		"-parallel", "8") // rows wait most of their time
}

// SoakKafka runs the kill table of Kafka in its long form with a real broker, which
// needs Java 17 and Maven. It takes a quarter of an hour.
func SoakKafka() error {
	env := map[string]string{"DEFENDER_ENDPOINT_ENGINE": "required"}
	if err := sh.RunWithV(env, "go", "test", "./component/output/kafka", "-run", "^TestEngineKafka$/^restarts$", "-restarts", "20", "-count", "1", "-timeout", "30m", "-v"); err != nil {
		return err
	}
	return sh.RunWithV(env, "go", "test", source, "-run", "^TestEngineKafka$", "-long", "-count", "1", "-timeout", "60m", "-v")
}

// benchmarks are "package pattern iterations".
var benchmarks = []string{
	"./ecs . 1s", "./inputs/defender Decode|Content|Map|Encode|Poll 1s", "./inputs/collect Seen 1s",
	"./inputs/defender/api Page/memory 20x",
	"./component/output/shipper Event 1s", "./component/checkpoint . 20x", "./cmd/defender-endpoint Floor|Pipeline 3x",
}

// Bench measures this tree and the merge base with main in turn, prints the
// table of figures.md, names what became slower by more than the noise, and runs
// the long forms of the jobs. BASE names another commit to compare with. On Linux
// only, with an idle machine; it takes half an hour.
func Bench() error {
	base, err := mergeBase()
	if err != nil {
		return err
	}
	tree := filepath.Join("build", "bench-before")
	_ = sh.Run("git", "worktree", "remove", "--force", tree) // of a run that was cut off
	if err := sh.RunV("git", "worktree", "add", "--detach", tree, base); err != nil {
		return err
	}
	defer func() { _ = sh.Run("git", "worktree", "remove", "--force", tree) }()
	if err := benchmark(tree); err != nil {
		return err
	}
	if err := compare(); err != nil {
		return err
	}
	return sh.RunV("go", "test", source, "-run", "TestJobs|TestPageSize|TestHugeRecord|TestSizes|TestLinear|TestStartsQuickly|TestLoad",
		"-long", "-v", "-count=1", "-timeout", "1h")
}

// mergeBase is the commit to compare with. On main without changes it is the
// commit before.
func mergeBase() (string, error) {
	base, err := sh.Output("git", "merge-base", "HEAD", cmp.Or(os.Getenv("BASE"), "main"))
	if err != nil {
		return "", fmt.Errorf("find the merge base: %w", err)
	}
	head, err := sh.Output("git", "rev-parse", "HEAD")
	if err != nil {
		return "", err
	}
	if base == head && sh.Run("git", "diff", "--quiet", "HEAD") == nil {
		return head + "~1", nil
	}
	return base, nil
}

// rounds is how often every benchmark runs on each side; benchstat takes medians.
const rounds = 7

// benchmark runs all benchmarks in turn, the tree before and this one by turns,
// round after round: other work on the machine then falls on both.
func benchmark(tree string) error {
	var old, now strings.Builder
	for range rounds {
		for _, b := range benchmarks {
			if err := measure(tree, b, &old); err != nil {
				return err
			}
			if err := measure(".", b, &now); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(os.WriteFile(before, []byte(old.String()), 0o644), os.WriteFile(measured, []byte(now.String()), 0o644)); err != nil {
		return err
	}
	return table(now.String())
}

// measure runs one entry of benchmarks in a tree, which may not have it yet.
func measure(tree, entry string, to *strings.Builder) error {
	words := strings.Fields(entry)
	if _, err := os.Stat(filepath.Join(tree, words[0])); err != nil {
		return nil
	}
	out, err := sh.Output("go", "-C", tree, "test", words[0], "-run", "^$", "-bench", words[1], "-benchtime", words[2], "-count", "1", "-timeout", "1h")
	if err != nil {
		return fmt.Errorf("%s in %s: %w\n%s", words[0], tree, err, out)
	}
	fmt.Println(out)
	to.WriteString(out + "\n")
	return nil
}

// processors is the end of a benchmark's name that says how many there are.
var processors = regexp.MustCompile(`-\d+$`)

// table prints the lowest figures of the whole job as figures.md has them.
func table(out string) error {
	lowest := map[string]map[string]float64{}
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.Contains(words[0], "/") || !strings.Contains(line, "cpu-ns/doc") {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(words[0], "Benchmark"), "")
		if lowest[name] == nil {
			lowest[name] = map[string]float64{}
		}
		for i := 2; i+1 < len(words); i += 2 {
			v, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return err
			}
			if old, met := lowest[name][words[i+1]]; !met || v < old {
				lowest[name][words[i+1]] = v
			}
		}
	}
	fmt.Println("| Per document | CPU | Memory | Allocations | Times the floor |\n|---|---|---|---|---|")
	for _, name := range slices.Sorted(maps.Keys(lowest)) {
		job, _, _ := strings.Cut(name[strings.Index(name, "/")+1:], "-")
		m, floor := lowest[name], lowest["Floor/"+job]
		fmt.Printf("| %s | %.1f us | %.0f B | %.1f | %.2f |\n", name, m["cpu-ns/doc"]/1000, m["B/doc"], m["allocs/doc"], m["cpu-ns/doc"]/floor["cpu-ns/doc"])
	}
	return nil
}

// compare names what benchstat finds worse than before: significant with p below
// 0.05, and by more than 3 %.
func compare() error {
	if err := sh.RunV("go", "run", benchstat, before, measured); err != nil {
		return err
	}
	out, err := sh.Output("go", "run", benchstat, "-format", "csv", before, measured)
	if err != nil {
		return err
	}
	unit := ""
	for line := range strings.Lines(out) {
		columns := strings.Split(strings.TrimSpace(line), ",")
		if len(columns) < 6 {
			continue
		}
		if columns[0] == "" {
			unit = columns[1]
			continue
		}
		if change, err := strconv.ParseFloat(strings.TrimSuffix(columns[5], "%"), 64); err == nil && change > 3 && unit != "B/s" && columns[0] != "geomean" {
			fmt.Printf("REGRESSION: %s: %s %+.0f%%\n", columns[0], unit, change)
		}
	}
	return nil
}

// Lint runs go vet and golangci-lint at a fixed version on both modules.
func Lint() error {
	for _, dir := range []string{".", "spec/fleetpackage"} {
		if err := sh.RunV("go", "-C", dir, "vet", "./..."); err != nil {
			return err
		}
		if err := sh.RunV("go", "-C", dir, "run", linter, "run"); err != nil {
			return err
		}
	}
	return nil
}

// Check verifies formatting and tidiness.
func Check() error {
	if out, err := sh.Output("gofmt", "-l", "."); err != nil || out != "" {
		return fmt.Errorf("gofmt would change: %s %w", out, err)
	}
	if err := sh.Run("go", "mod", "tidy", "-diff"); err != nil {
		return errors.New("go.mod is not tidy: run go mod tidy")
	}
	return nil
}

// VetPlatforms compiles programs and tests for the other systems, and vets them.
// Linux is vetted by Lint.
func VetPlatforms() error {
	for _, p := range []string{"windows/amd64", "darwin/arm64"} {
		goos, goarch, _ := strings.Cut(p, "/")
		env := map[string]string{"CGO_ENABLED": "0", "GOOS": goos, "GOARCH": goarch}
		if err := sh.RunWithV(env, "go", "vet", "./..."); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// Package makes the two zips of the Fleet package in build, whose derived files
// are made again.
func Package() error {
	return sh.RunV("go", "run", "-C", "spec/fleetpackage", ".", "-o", "../../build")
}

// Release makes what is handed out in build/release: an archive and a bill of
// materials for each platform, the zips of the Fleet package, SHA256SUMS. VERSION
// adds a suffix to the version, SIGNING_KEY names the GPG key that signs.
func Release(ctx context.Context) error {
	return release.Make(ctx, release.Options{Root: ".", Out: "build/release", Version: os.Getenv("VERSION"), Key: os.Getenv("SIGNING_KEY")})
}

// Notices writes spec/release/licences.csv again: the modules that the binaries
// link, with their licences.
func Notices(ctx context.Context) error { return release.Notices(ctx, ".") }

// Vuln looks for known vulnerabilities that the program can reach. GOVULNDB names
// another database than the public one, such as file:///a/folder.
func Vuln() error {
	arguments := []string{"run", vulnerabilities}
	if db := os.Getenv("GOVULNDB"); db != "" {
		arguments = append(arguments, "-db", db)
	}
	return sh.RunV("go", append(arguments, "./...")...)
}
