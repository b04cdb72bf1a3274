package defender

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// osWords identify the families of operating systems by words of osPlatform, in lower
// case. Linux comes first: one of its words in a name decides.
var osWords = []struct {
	family string
	words  []string
}{
	{"linux", []string{
		"linux", "ubuntu", "debian", "centos", "redhat", "rhel", "fedora", "mariner", "rocky", "suse", "sles", "amazonlinux", "alpine",
		"opensuse", "raspbian", "cloudlinux", "photon", "flatcar", "gentoo",
	}},
	{"windows", []string{"windows"}},
	{"android", []string{"android"}},
	{"unix", []string{"unix", "solaris", "freebsd", "openbsd", "netbsd", "hp-ux", "hpux"}},
}

// osType is host.os.type of a platform (API.md 3.4), "" where ECS has no
// name for it. iOS is also what makers of network devices call theirs.
func osType(platform string) string {
	platform = strings.ToLower(strings.TrimSpace(platform))
	switch platform {
	case "ios", "ipados":
		return "ios"
	case "aix":
		return "unix"
	case "almalinux", "alma", "oracle":
		return "linux"
	}
	if strings.HasPrefix(platform, "mac") || strings.HasPrefix(platform, "osx") || strings.HasPrefix(platform, "os x") {
		return "macos"
	}
	for _, os := range osWords {
		for _, word := range os.words {
			if strings.Contains(platform, word) {
				return os.family
			}
		}
	}
	return ""
}

// setSystem maps the operating system of a machine.
func setSystem(e *mapping.Envelope, host *ecs.Object, platform, version *mapping.Field) {
	system := host.Object("os")
	name, number := e.Text(platform), e.Text(version)
	system.Set("platform", name)
	system.Set("type", ecs.Text(osType(platform.Text())))
	system.Set("version", number)
	if name.Present() && number.Present() {
		system.Set("name", e.Short(platform.Text()+" "+version.Text()))
	}
}

// architecture is host.architecture as other sources write it.
func architecture(e *mapping.Envelope, f *mapping.Field) ecs.Value {
	switch {
	case f.Is("x64"), f.Is("amd64"), f.Is("x86_64"):
		return ecs.Text("x86_64")
	case f.Is("x86"):
		return ecs.Text("x86")
	case f.Is("arm64"):
		return ecs.Text("arm64")
	default:
		return e.Text(f)
	}
}
