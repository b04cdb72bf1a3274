package release

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// licences are the modules that a binary of any target links, each with its
// licence. go tool mage notices writes them.
//
//go:embed licences.csv
var licences []byte

// allowed are the licences that are compatible with Apache-2.0, and Elastic's two,
// which NOTICE speaks of.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Elastic-1.0", "Elastic-2.0"}

// unrecognised are modules whose licence text the detector does not know.
var unrecognised = map[string]string{
	"github.com/elastic/elastic-agent-client/v7":      "Elastic-1.0",
	"github.com/elastic/elastic-agent-shipper-client": "Elastic-2.0",
}

// listed are the licences by module, as licences.csv has them.
func listed() (map[string]string, error) {
	rows, err := csv.NewReader(bytes.NewReader(licences)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("licences.csv: %w", err)
	}
	all := map[string]string{}
	for _, r := range rows {
		all[r[0]] = r[1]
	}
	return all, nil
}

// linked are the modules that the binaries of all targets link.
func linked(ctx context.Context, root string) ([]string, error) {
	modules := map[string]bool{}
	for _, t := range Targets {
		out, err := output(ctx, root, t.environment(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", source)
		if err != nil {
			return nil, err
		}
		for m := range strings.FieldsSeq(string(out)) {
			modules[m] = true
		}
	}
	return slices.Sorted(maps.Keys(modules)), nil
}

// detected is what the detector finds: the texts of the licences, and the licences
// by module.
type detected struct {
	text     []byte
	licences map[string]string
}

// The templates of the detector's two outputs.
const (
	textTemplate = `Third-party software in defender-endpoint

The binary links the modules below. Their licences follow.
{{ define "all" }}{{ range . }}
{{ "=" | line }}
Module  : {{ .Name }}
Version : {{ .Version }}
Licence : {{ .LicenceType }}

{{ . | licenceText }}
{{ end }}{{ end }}{{ template "all" .Direct }}{{ template "all" .Indirect }}`
	listTemplate = `{{ define "all" }}{{ range . }}{{ .Name }},{{ .LicenceType }}
{{ end }}{{ end }}{{ template "all" .Direct }}{{ template "all" .Indirect }}`
)

// detect runs the detector on what the binaries link.
func detect(ctx context.Context, root, work string) (d detected, err error) {
	modules, err := linked(ctx, root)
	if err != nil {
		return d, err
	}
	list, err := output(ctx, root, nil, "go", append([]string{"list", "-m", "-json"}, modules...)...)
	if err != nil {
		return d, err
	}
	rules, err := json.Marshal(map[string]any{"allowlist": allowed})
	if err != nil {
		return d, err
	}
	var overrides bytes.Buffer
	for name, licence := range unrecognised {
		if err := json.NewEncoder(&overrides).Encode(map[string]string{"name": name, "licenceType": licence}); err != nil {
			return d, err
		}
	}
	in := func(name string) string { return filepath.Join(work, name) }
	for name, content := range map[string][]byte{
		"modules.json": list, "rules.json": rules, "overrides.ndjson": overrides.Bytes(),
		"text.tmpl": []byte(textTemplate), "list.tmpl": []byte(listTemplate),
	} {
		if err := os.WriteFile(in(name), content, 0o600); err != nil {
			return d, err
		}
	}
	err = run(ctx, root, nil, "go", "run", licenceDetector, "-includeIndirect", "-in", in("modules.json"), "-rules", in("rules.json"),
		"-overrides", in("overrides.ndjson"), "-noticeTemplate", in("text.tmpl"), "-noticeOut", in("text"), "-depsTemplate", in("list.tmpl"), "-depsOut", in("list"))
	if err != nil {
		return d, err
	}
	if d, err = readDetected(in("text"), in("list"), modules); err != nil {
		return d, err
	}
	language, err := goLicence(ctx, root)
	d.text = append(d.text, language...)
	return d, err
}

// goLicence is the text for the standard library, which is no module.
func goLicence(ctx context.Context, root string) (string, error) {
	out, err := output(ctx, root, nil, "go", "env", "GOROOT", "GOVERSION")
	if err != nil {
		return "", err
	}
	at, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	licence, err := os.ReadFile(filepath.Join(at, "LICENSE"))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("\n%s\nModule  : the Go standard library\nVersion : %s\nLicence : BSD-3-Clause\n\n%s", strings.Repeat("=", 80), version, licence), nil
}

// readDetected reads the detector's outputs. Each module must be in both.
func readDetected(text, list string, modules []string) (d detected, err error) {
	if d.text, err = os.ReadFile(text); err != nil {
		return d, err
	}
	b, err := os.ReadFile(list)
	if err != nil {
		return d, err
	}
	d.licences = map[string]string{}
	for line := range strings.FieldsSeq(string(b)) {
		name, licence, _ := strings.Cut(line, ",")
		d.licences[name] = licence
	}
	for _, m := range modules {
		if d.licences[m] == "" || !bytes.Contains(d.text, []byte("\nModule  : "+m+"\n")) {
			return d, fmt.Errorf("no licence of %s", m)
		}
	}
	return d, nil
}

// notices are the texts for the archives. The licences must be those of
// licences.csv, which was reviewed.
func notices(ctx context.Context, root, work string) ([]byte, error) {
	d, err := detect(ctx, root, work)
	if err != nil {
		return nil, err
	}
	known, err := listed()
	if err != nil {
		return nil, err
	}
	if !maps.Equal(known, d.licences) {
		return nil, fmt.Errorf("licences.csv is stale: run go tool mage notices and review what changed")
	}
	return d.text, nil
}

// Notices writes licences.csv.
func Notices(ctx context.Context, root string) error {
	work, err := os.MkdirTemp("", "notices")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	d, err := detect(ctx, root, work)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, m := range slices.Sorted(maps.Keys(d.licences)) {
		if err := w.Write([]string{m, d.licences[m]}); err != nil {
			return err
		}
	}
	w.Flush()
	return os.WriteFile(filepath.Join(root, "spec/release/licences.csv"), b.Bytes(), 0o600)
}
