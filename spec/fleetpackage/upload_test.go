package main

import (
	"archive/zip"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// kibana is what Kibana looks at when a package is uploaded (elastic/kibana,
// fleet, services/epm/packages/validate_package_upload.ts), since 8.19.22, 9.4
// and 9.5.
type kibana struct {
	airGapped, cutOff bool // by setting; or the registry does not answer
	registry          []string
	installed         map[string]installed // by package
	streams           map[string]string    // live data streams, with _meta.package.name
}

type installed struct {
	uploaded  bool
	templates []string // of indices
}

// uploaded is a zip as Kibana reads it.
type uploaded struct {
	name     string
	files    map[string][]byte
	datasets []string // <type>-<dataset>
}

var (
	packageName  = regexp.MustCompile(`^[a-z][a-z0-9_]{1,149}$`)
	datasetName  = regexp.MustCompile(`^[^@A-Z\s*\\/?"<>|,#:-]+$`)
	forbiddenDir = []string{"elasticsearch/index_template/", "elasticsearch/component_template/", "elasticsearch/ingest_pipeline/"}
)

// refuses names why Kibana does not take a zip; nothing if it does.
func (k *kibana) refuses(u *uploaded) []string {
	var why []string
	if !packageName.MatchString(u.name) {
		why = append(why, "name's form")
	}
	for name := range u.files {
		if slices.ContainsFunc(forbiddenDir, func(dir string) bool { return strings.HasPrefix(name, dir) }) {
			why = append(why, "asset "+name)
		}
	}
	before, there := k.installed[u.name]
	if there && !before.uploaded {
		why = append(why, "installed from the registry")
	}
	if !k.airGapped && (!there || !before.uploaded) {
		if k.cutOff {
			why = append(why, "registry not reached")
		} else if slices.Contains(k.registry, u.name) {
			why = append(why, "name in the registry")
		}
	}
	for _, set := range u.datasets {
		if _, dataset, ok := strings.Cut(set, "-"); !ok || !datasetName.MatchString(dataset) {
			why = append(why, "form of "+set)
		}
		why = append(why, k.taken(u.name, set, there)...)
	}
	slices.Sort(why)
	return slices.Compact(why)
}

// taken names what has a dataset already.
func (k *kibana) taken(name, set string, there bool) (why []string) {
	for other, of := range k.installed {
		for _, template := range of.templates {
			if other != name && (template == set || strings.HasPrefix(template, set+".") || strings.HasPrefix(set, template+".")) {
				why = append(why, "dataset of "+other)
			}
		}
	}
	for stream, owner := range k.streams {
		if strings.HasPrefix(stream, set+"-") && (!there || owner != name) {
			why = append(why, "live "+stream)
		}
	}
	return why
}

// firstEditionRefuses are the assets that the first edition of Kibana's rules,
// perhaps that of some patch releases, does not take either.
func (u *uploaded) firstEditionRefuses(t *testing.T) []string {
	var why []string
	for name, content := range u.files {
		dir, file := path.Split(name)
		switch {
		case strings.HasPrefix(name, "elasticsearch/transform/") && file == "transform.yml",
			strings.Contains(dir, "/elasticsearch/ilm/"):
			why = append(why, name)
		case file == "manifest.yml":
			m := decodeYAML[struct {
				Elasticsearch struct {
					Privileges     any  `yaml:"privileges"`
					DynamicDataset bool `yaml:"dynamic_dataset"`
					DynamicSpace   bool `yaml:"dynamic_namespace"`
				} `yaml:"elasticsearch"`
				Prefix any `yaml:"dataset_is_prefix"`
				ILM    any `yaml:"ilm_policy"`
			}](t, string(content))
			if e := m.Elasticsearch; e.Privileges != nil || e.DynamicDataset || e.DynamicSpace || m.Prefix != nil || m.ILM != nil {
				why = append(why, name)
			}
		}
	}
	slices.Sort(why)
	return why
}

// upload reads an edition's zip.
func upload(t *testing.T, e *edition) *uploaded {
	t.Helper()
	file, err := archive(t.Context(), t.TempDir(), e)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	u := &uploaded{files: map[string][]byte{}}
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		from, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(f.Name, "/")
		if u.files[name], err = io.ReadAll(from); err != nil {
			t.Fatal(err)
		}
	}
	u.name = decodeYAML[manifests](t, string(u.files["manifest.yml"])).Name
	for name, content := range u.files {
		if ok, _ := path.Match("data_stream/*/manifest.yml", name); !ok {
			continue
		}
		m := struct{ Type, Dataset string }{Dataset: u.name + "." + path.Base(path.Dir(name))}
		if err := yaml.Unmarshal(content, &m); err != nil {
			t.Fatal(err)
		}
		u.datasets = append(u.datasets, m.Type+"-"+m.Dataset)
	}
	slices.Sort(u.datasets)
	return u
}

var (
	elastics = installed{templates: []string{
		"logs-microsoft_defender_endpoint.log", "logs-microsoft_defender_endpoint.machine", "logs-microsoft_defender_endpoint.machine_action",
	}}
	ours = installed{uploaded: true, templates: elastics.templates}
)

const live = "logs-microsoft_defender_endpoint.log-default"

// TestUpload holds both zips against what Kibana checks.
func TestUpload(t *testing.T) {
	registry := []string{"m365_defender", "microsoft_defender_endpoint"}
	own, old := upload(t, &ownName), upload(t, &elasticName)
	for name, c := range map[string]struct {
		kibana   kibana
		own, old []string // why it is refused
	}{
		"nothing there": {kibana: kibana{registry: registry}, old: []string{"name in the registry"}},
		"air-gapped":    {kibana: kibana{airGapped: true}},
		"own registry":  {kibana: kibana{registry: []string{"m365_defender"}}},
		"cut off": {kibana: kibana{cutOff: true},
			own: []string{"registry not reached"}, old: []string{"registry not reached"}},
		"Elastic's package is installed": {kibana: kibana{registry: registry, installed: map[string]installed{elasticName.Name: elastics}},
			own: []string{"dataset of microsoft_defender_endpoint"}, old: []string{"installed from the registry", "name in the registry"}},
		"Elastic's package left a data stream": {kibana: kibana{registry: registry, streams: map[string]string{live: elasticName.Name}},
			own: []string{"live " + live}, old: []string{"live " + live, "name in the registry"}},
		"a data stream was written without a package": {kibana: kibana{airGapped: true, streams: map[string]string{live: ""}},
			own: []string{"live " + live}, old: []string{"live " + live}},
		"another dataset holds the history": {kibana: kibana{registry: registry, streams: map[string]string{"logs-defender_history.log-default": ""}},
			old: []string{"name in the registry"}},
		"ours is upgraded": {kibana: kibana{registry: registry, installed: map[string]installed{ownName.Name: ours}, streams: map[string]string{live: ownName.Name}},
			old: []string{"dataset of defender_endpoint", "live " + live, "name in the registry"}},
		"the one under Elastic's name is upgraded": {kibana: kibana{registry: registry, installed: map[string]installed{elasticName.Name: ours}, streams: map[string]string{live: elasticName.Name}},
			own: []string{"dataset of microsoft_defender_endpoint", "live " + live}},
	} {
		if got := c.kibana.refuses(own); !slices.Equal(got, c.own) {
			t.Errorf("%s: %s is refused for %q, want %q", name, own.name, got, c.own)
		}
		if got := c.kibana.refuses(old); !slices.Equal(got, c.old) {
			t.Errorf("%s: %s is refused for %q, want %q", name, old.name, got, c.old)
		}
	}
	for _, u := range []*uploaded{own, old} {
		want := []string{
			"data_stream/vulnerability/elasticsearch/ilm/default_policy.json", "data_stream/vulnerability/manifest.yml",
		}
		for name := range transforms {
			want = append(want, "elasticsearch/transform/"+name+"/transform.yml")
		}
		slices.Sort(want)
		if got := u.firstEditionRefuses(t); !slices.Equal(got, want) {
			t.Errorf("%s: the first edition of the rules refuses %q, want %q", u.name, got, want)
		}
	}
}

// TestEditions differ in name, title, version, and in ids and references that
// begin with the name, and in nothing else.
func TestEditions(t *testing.T) {
	own, old := upload(t, &ownName), upload(t, &elasticName)
	if !slices.Equal(own.datasets, old.datasets) || len(own.datasets) != len(load(t).streams) || !slices.Contains(own.datasets, "logs-microsoft_defender_endpoint.log") {
		t.Errorf("data sets %q and %q", own.datasets, old.datasets)
	}
	m := decodeYAML[struct{ Name, Title, Version string }](t, string(own.files["manifest.yml"]))
	n := decodeYAML[struct{ Name, Title, Version string }](t, string(old.files["manifest.yml"]))
	if m.Name != ownName.Name || m.Title != ownName.Title || n.Name != elasticName.Name || n.Title != elasticName.Title {
		t.Errorf("%+v and %+v", m, n)
	}
	if m.Version != load(t).Version || n.Version != elasticName.version(m.Version) || !strings.HasPrefix(n.Version, "10") || len(n.Version) < len("100.0.0") {
		t.Errorf("versions %s and %s: want the second at 100 or above", m.Version, n.Version)
	}
	// Under the own name everything that is not of the name is as under Elastic's.
	neutral := strings.NewReplacer(
		elasticName.Name+"-", "NAME-", ownName.Name+"-", "NAME-",
		"logs-"+elasticName.Name+".vulnerability-default_policy", "POLICY", "logs-"+ownName.Name+".vulnerability-default_policy", "POLICY",
		`"package": "`+elasticName.Name+`"`, "PACKAGE", `"package": "`+ownName.Name+`"`, "PACKAGE",
		`"version": ">=100.0.0"`, "VERSION", `"version": ">=1.0.0"`, "VERSION")
	renamed := map[string][]byte{}
	for name, content := range old.files {
		renamed[strings.Replace(name, "dashboard/"+elasticName.Name+"-", "dashboard/"+ownName.Name+"-", 1)] = content
	}
	if a, b := slices.Sorted(maps.Keys(own.files)), slices.Sorted(maps.Keys(renamed)); !slices.Equal(a, b) {
		t.Fatalf("files differ:\n%q\n%q", a, b)
	}
	for name, content := range own.files {
		if !strings.HasPrefix(name, "kibana/") && !strings.HasPrefix(name, "data_stream/") && !strings.HasPrefix(name, "elasticsearch/") && !strings.HasPrefix(name, "agent/") {
			continue
		}
		if neutral.Replace(string(content)) != neutral.Replace(string(renamed[name])) {
			t.Errorf("%s differs by more than the name", name)
		}
		if strings.HasPrefix(name, "kibana/") && strings.Contains(string(renamed[name]), `"`+ownName.Name+"-") {
			t.Errorf("%s: an id of the own name under Elastic's", name)
		}
	}
}

// TestInputKeepsItsProcess: the input says itself that it runs in a process of
// its own, and the component takes the setting.
func TestInputKeepsItsProcess(t *testing.T) {
	for _, e := range editions {
		u := upload(t, e)
		at := decodeYAML[struct {
			PolicyTemplates []struct {
				Inputs []struct {
					TemplatePath string `yaml:"template_path"`
				} `yaml:"inputs"`
			} `yaml:"policy_templates"`
		}](t, string(u.files["manifest.yml"])).PolicyTemplates[0].Inputs[0].TemplatePath
		// Fleet lays the result over the input: what is not here keeps its place.
		got := decodeYAML[map[string]any](t, string(u.files["agent/input/"+at]))
		if len(got) != 1 || got["_runtime_experimental"] != "process" {
			t.Errorf("%s: the input's template gives %v", u.name, got)
		}
		p := load(t)
		got["streams"] = []any{fleet(t, p, &p.streams[0], required())}
		streams, err := defender.New("test").Streams(inputs.Unit{ID: "defender-1", Namespace: "default", Source: got})
		if err != nil || len(streams) != 1 || streams[0].Fault != nil {
			t.Errorf("%s: the component makes %+v of it (%v)", u.name, streams, err)
		}
	}
}
