package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestKubernetesSampleFitsTheAPI: Kubernetes' own types take every field of the
// sample, and what one object names, another one has.
func TestKubernetesSampleFitsTheAPI(t *testing.T) {
	parts := strings.Split(page(t, "../kubernetes.yml"), "\n---\n")
	if len(parts) != 3 {
		t.Fatalf("%d objects, want 3", len(parts))
	}
	var secret core.Secret
	var policy core.ConfigMap
	var set apps.StatefulSet
	for i, o := range []any{&secret, &policy, &set} {
		if err := yaml.UnmarshalStrict([]byte(parts[i]), o); err != nil {
			t.Fatalf("%T: %v", o, err)
		}
	}
	pod := set.Spec.Template
	for name, value := range set.Spec.Selector.MatchLabels {
		if pod.Labels[name] != value {
			t.Errorf("the selector wants %s=%s, the pod has %v", name, value, pod.Labels)
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && v.ConfigMap.Name != policy.Name {
			t.Errorf("volume %s is of %s", v.Name, v.ConfigMap.Name)
		}
	}
	for _, c := range set.Spec.VolumeClaimTemplates {
		volumes[c.Name] = true
	}
	container := pod.Spec.Containers[0]
	for _, m := range container.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("no volume %s", m.Name)
		}
	}
	for _, e := range container.Env {
		if e.ValueFrom == nil {
			continue
		}
		from := e.ValueFrom.SecretKeyRef
		if _, ok := secret.StringData[from.Key]; from.Name != secret.Name || !ok {
			t.Errorf("%s: no %s in %s", e.Name, from.Key, from.Name)
		}
	}
	if *set.Spec.Replicas != 1 || !*pod.Spec.SecurityContext.RunAsNonRoot || *container.SecurityContext.AllowPrivilegeEscalation {
		t.Error("want one replica, without root")
	}
}

// unitArguments are what the systemd unit starts the program with, for a policy
// and a folder of state that are elsewhere. Where systemd is installed, it reads the
// unit too.
func unitArguments(t *testing.T, binary, policy, state string) []string {
	t.Helper()
	const program, credential, folder = "/usr/local/bin/defender-endpoint", "${CREDENTIALS_DIRECTORY}/policy.yml", "/var/lib/defender-endpoint"
	unit := page(t, "../defender-endpoint.service")
	_, line, ok := strings.Cut(unit, "\nExecStart="+program+" ")
	line, _, _ = strings.Cut(line, "\n")
	if !ok || !strings.Contains(line, credential) || !strings.Contains(line, folder) ||
		!strings.Contains(unit, "\nLoadCredential=policy.yml:") || !strings.Contains(unit, "\nStateDirectory="+filepath.Base(folder)+"\n") {
		t.Fatalf("the unit starts %q", line)
	}
	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		file := filepath.Join(t.TempDir(), "defender-endpoint.service")
		if err := os.WriteFile(file, []byte(strings.Replace(unit, "ExecStart="+program, "ExecStart="+binary, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	}
	return strings.Fields(strings.NewReplacer(credential, policy, folder, state).Replace(line))
}

var continued = regexp.MustCompile(`\\\n\s*`)

// TestImageRecipe: the program is built like that of an archive, and the last
// command puts the component into every home of an agent's tree, owned by the
// agent's user, writable by nobody else.
func TestImageRecipe(t *testing.T) {
	text := continued.ReplaceAllString(page(t, "../Dockerfile"), " ")
	const build = `RUN CGO_ENABLED=0 go build -tags=grpcnotrace -trimpath -ldflags="-s -w -X main.version=${VERSION}" -o /defender-endpoint ./cmd/defender-endpoint`
	if !strings.Contains(text, "\n"+build+"\n") {
		t.Errorf("want %s in\n%s", build, text)
	}
	_, script, ok := strings.Cut(text[strings.LastIndex(text, "\nRUN "):], "\nRUN ")
	script, _, _ = strings.Cut(script, "\n")
	if !ok {
		t.Fatal("no command places the component")
	}
	homes := []string{"elastic-agent-9.5.2-abcdef", "elastic-agent-9.5.3-fedcba"}
	modes := map[string]os.FileMode{"defender-endpoint": 0o755, "defender-endpoint.spec.yml": 0o644}
	tree := imageTree(t, homes, modes)
	script = strings.NewReplacer("/usr/share/elastic-agent", tree, "/tmp/component", tree+"/component").Replace(script)
	if os.Getuid() != 0 {
		script = "chown() { :; }; " + script // root alone may give files away
	}
	for _, mode := range modes {
		if !strings.Contains(text, fmt.Sprintf("--chmod=%04o", mode)) {
			t.Errorf("nothing is copied with mode %o", mode)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	for _, home := range homes {
		for name, mode := range modes {
			info, err := os.Stat(filepath.Join(tree, "data", home, "components", name))
			if err != nil {
				t.Error(err)
			} else if info.Mode() != mode {
				t.Errorf("%s/%s has mode %v", home, name, info.Mode())
			}
		}
	}
	if _, err := os.Stat(filepath.Join(tree, "component")); err == nil {
		t.Error("what was copied is still in the image")
	}
}

// imageTree makes a tree like that of the image before its last command: two homes
// of an agent, and the component beside them with these modes.
func imageTree(t *testing.T, homes []string, modes map[string]os.FileMode) (tree string) {
	t.Helper()
	tree = t.TempDir()
	for _, dir := range []string{"component", "data/" + homes[0] + "/components", "data/" + homes[1] + "/components"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range modes {
		file := filepath.Join(tree, "component", name)
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}
