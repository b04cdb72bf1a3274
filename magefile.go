//go:build mage

// Build targets: go tool mage <target>.
package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
)

const (
	binary = "defender-endpoint"
	source = "./cmd/defender-endpoint"
	linter = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0"

	benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"
	baseline  = "testdata/bench/baseline.txt"
	measured  = "build/bench.txt"
)

// platforms are those of the spec, and windows/arm64 for agents from 9.2 on.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// Build makes build/defender-endpoint for this machine.
func Build() error { return compile("build", "", "") }

// Test runs all tests with the race detector.
func Test() error { return sh.RunV("go", "test", "-race", "./...") }

// fuzzTargets are "package target".
var fuzzTargets = []string{
	"./ecs FuzzScanner", "./inputs/defender FuzzRecord", "./inputs/mapping FuzzForms", "./inputs/process FuzzProcessors",
	"./inputs/defender/api FuzzPage", "./inputs/defender/api FuzzErrorBody",
	"./component/output/shipper FuzzEvent",
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
	return sh.RunV("go", "test", source, "-run", "^TestSoak$", "-long", "-count", "1", "-timeout", "60m", "-v")
}

// benchmarks are "package pattern iterations".
var benchmarks = []string{
	"./ecs . 1s", "./inputs/defender Decode|Map|Encode 1s", "./inputs/collect Seen 1s",
	"./inputs/defender/api Page/memory 20x",
	"./component/output/shipper Event 1s", "./component/checkpoint . 20x", "./cmd/defender-endpoint Floor|Pipeline 3x",
}

// Bench runs the benchmarks and the long forms of the jobs, prints the table of
// the README, and names what is slower than the baseline by more than the noise.
// On Linux only, with an idle machine; it takes ten minutes.
func Bench() error {
	if err := benchmark(); err != nil {
		return err
	}
	if err := compare(); err != nil {
		return err
	}
	return sh.RunV("go", "test", source, "-run", "TestJobs|TestPageSize|TestHugeRecord|TestSizes|TestLinear|TestStartsQuickly|TestLoad",
		"-long", "-v", "-count=1", "-timeout", "1h")
}

// BenchBaseline runs the benchmarks and makes what they tell the baseline.
func BenchBaseline() error {
	if err := benchmark(); err != nil {
		return err
	}
	return sh.Copy(baseline, measured)
}

// rounds is how often every benchmark runs: benchstat wants as many.
const rounds = 6

// benchmark runs all benchmarks in turn, round after round: other work on the
// machine then does not fall on one of them alone.
func benchmark() error {
	var all strings.Builder
	for range rounds {
		for _, b := range benchmarks {
			words := strings.Fields(b)
			out, err := sh.Output("go", "test", words[0], "-run", "^$", "-bench", words[1], "-benchtime", words[2], "-count", "1", "-timeout", "1h")
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", words[0], err, out)
			}
			fmt.Println(out)
			all.WriteString(out + "\n")
		}
	}
	if err := os.MkdirAll(filepath.Dir(measured), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(measured, []byte(all.String()), 0o644); err != nil {
		return err
	}
	return table(all.String())
}

// processors is the end of a benchmark's name that tells how many there are.
var processors = regexp.MustCompile(`-\d+$`)

// table prints the lowest figures of the whole job as the README has them.
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

// compare names what benchstat finds worse than the baseline: significant with
// p below 0.05, and by more than a tenth.
func compare() error {
	if err := sh.RunV("go", "run", benchstat, baseline, measured); err != nil {
		return err
	}
	out, err := sh.Output("go", "run", benchstat, "-format", "csv", baseline, measured)
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
		if change, err := strconv.ParseFloat(strings.TrimSuffix(columns[5], "%"), 64); err == nil && change > 10 && unit != "B/s" && columns[0] != "geomean" {
			fmt.Printf("REGRESSION: %s: %s %+.0f%%\n", columns[0], unit, change)
		}
	}
	return nil
}

// Lint runs go vet and golangci-lint at a fixed version on both modules.
func Lint() error {
	for _, dir := range []string{".", "spec/integration"} {
		if err := sh.RunV("go", "-C", dir, "vet", "./..."); err != nil {
			return err
		}
		if err := sh.RunV("go", "-C", dir, "run", linter, "run"); err != nil {
			return err
		}
	}
	return nil
}

// Check verifies formatting, tidiness and the direction of imports.
func Check() error {
	if out, err := sh.Output("gofmt", "-l", "."); err != nil || out != "" {
		return fmt.Errorf("gofmt would change: %s %w", out, err)
	}
	if err := sh.Run("go", "mod", "tidy", "-diff"); err != nil {
		return errors.New("go.mod is not tidy: run go mod tidy")
	}
	return imports()
}

// CrossBuild compiles for every supported platform.
func CrossBuild() error {
	for _, p := range platforms {
		goos, goarch, _ := strings.Cut(p, "/")
		if err := compile(filepath.Join("build", goos+"-"+goarch), goos, goarch); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// Package makes what is handed out, in build: the component's archive for each
// platform (binary, spec, licence, notice, readme) and the zip of the Fleet
// package, whose derived files are made anew.
func Package() error {
	mg.Deps(CrossBuild)
	for _, p := range platforms {
		name := strings.ReplaceAll(p, "/", "-")
		dir := filepath.Join("build", name)
		for _, f := range []string{"spec/defender-endpoint.spec.yml", "LICENSE", "NOTICE", "README.md"} {
			if err := sh.Copy(filepath.Join(dir, filepath.Base(f)), f); err != nil {
				return err
			}
		}
		archive := filepath.Join("build", binary+"-"+name+".tar.gz")
		if err := sh.Run("tar", "-czf", archive, "-C", dir, "."); err != nil {
			return err
		}
	}
	return sh.RunV("go", "run", "-C", "spec/integration", ".", "-o", "../../build")
}

func compile(dir, goos, goarch string) error {
	name := binary
	if goos == "windows" {
		name += ".exe"
	}
	env := map[string]string{"CGO_ENABLED": "0", "GOOS": goos, "GOARCH": goarch}
	flags := "-s -w"
	if v := os.Getenv("VERSION"); v != "" {
		flags += " -X main.version=" + v
	}
	return sh.RunWithV(env, "go", "build", "-trimpath", "-ldflags", flags, "-o", filepath.Join(dir, name), source)
}

const module = "github.com/defender-endpoint/defender-endpoint/"

// layers says which packages of this module a package may import; cmd may
// import all of them.
var layers = map[string][]string{
	"ecs":                            {},
	"inputs":                         {"ecs"},
	"inputs/collect":                 {"inputs", "ecs"},
	"inputs/defender/api":            {"inputs"},
	"inputs/defender/odata":          {"inputs/collect", "inputs/defender/api"},
	"inputs/mapping":                 {"inputs", "ecs"},
	"inputs/process":                 {"ecs"},
	"inputs/defender":                {"inputs", "inputs/collect", "inputs/mapping", "inputs/process", "inputs/defender/odata", "inputs/defender/api", "ecs"},
	"inputs/defender/defendertest":   {},
	"component/checkpoint":           {"inputs"},
	"component/output":               {"inputs"},
	"component/output/elasticsearch": {"inputs", "component/output", "ecs"},
	"component/output/shipper":       {"inputs", "component/output", "ecs"},
	"component/componenttest":        {"inputs", "ecs", "component/output"},
	"component":                      {"inputs", "inputs/defender/api", "component/output", "component/output/elasticsearch", "component/output/shipper", "component/checkpoint"},
	"spec":                           {},
}

// owners are the only packages that may import a library.
var owners = map[string][]string{
	"github.com/elastic/elastic-agent-client":         {"component", "component/componenttest", "cmd/defender-endpoint"},
	"github.com/elastic/elastic-agent-shipper-client": {"component/output/shipper", "component/componenttest"},
	"github.com/elastic/go-docappender":               {"component/output/elasticsearch"},
	"github.com/elastic/elastic-transport-go":         {"component/output/elasticsearch", "component/checkpoint"},
	"golang.org/x/oauth2":                             {"inputs/defender/api"},
	"golang.org/x/time/rate":                          {"inputs/defender/api"},
}

// imports checks every package's imports, those of tests left out, against
// layers and owners.
func imports() error {
	out, err := sh.Output("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	if err != nil {
		return err
	}
	var faults []error
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		from := strings.TrimPrefix(words[0], module)
		for _, to := range words[1:] {
			if !mayImport(from, to) {
				faults = append(faults, fmt.Errorf("%s must not import %s", from, to))
			}
		}
	}
	return errors.Join(faults...)
}

func mayImport(from, to string) bool {
	for library, users := range owners {
		if strings.HasPrefix(to, library) {
			return contains(users, from)
		}
	}
	inside, ok := strings.CutPrefix(to, module)
	if !ok || strings.HasPrefix(from, "cmd/") {
		return true
	}
	uses, known := layers[from]
	return known && contains(uses, inside)
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
