package defender

import (
	"net/url"
	"path"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// joinPath is the path of a file in a folder, absent unless both are known.
func joinPath(folder, name raw) ecs.Value {
	dir, file := str(folder), str(name)
	if dir == "" || file == "" {
		return ecs.Value{}
	}
	separator := `\`
	if strings.HasPrefix(dir, "/") {
		separator = "/"
	}
	return ecs.Text(strings.TrimRight(dir, `/\`) + separator + file)
}

// hives are the short names of ECS.
var hives = map[string]string{
	"HKEY_CLASSES_ROOT": "HKCR", "HKEY_CURRENT_CONFIG": "HKCC", "HKEY_CURRENT_USER": "HKCU",
	"HKEY_LOCAL_MACHINE": "HKLM", "HKEY_USERS": "HKU",
}

// executable is the program of a command line: the first word, or what stands
// between the quotes it begins with.
func executable(commandLine string) string {
	s := strings.TrimSpace(commandLine)
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		program, _, _ := strings.Cut(quoted, `"`)
		return program
	}
	program, _, _ := strings.Cut(s, " ")
	return strings.ReplaceAll(program, `"`, "")
}

func validIP(v raw) ecs.Value {
	var ignored faults
	return ignored.ip("", v)
}

// setURL splits a URL into url.*. One that cannot be parsed keeps its text.
func setURL(o *ecs.Object, full ecs.Value) {
	if !full.Present() {
		return
	}
	o.Set("full", full)
	o.Set("original", full)
	u, err := url.Parse(full.String())
	if err != nil {
		return
	}
	o.Set("scheme", ecs.Text(u.Scheme))
	domain := u.Hostname()
	if strings.Contains(domain, ":") {
		domain = "[" + domain + "]" // as ECS wants an IPv6 address
	}
	o.Set("domain", ecs.Text(domain))
	var ignored faults
	o.Set("port", ignored.long("", raw(u.Port())))
	o.Set("path", ecs.Text(u.Path))
	o.Set("extension", ecs.Text(strings.TrimPrefix(path.Ext(u.Path), ".")))
	o.Set("query", ecs.Text(u.RawQuery))
	o.Set("fragment", ecs.Text(u.Fragment))
	o.Set("username", ecs.Text(u.User.Username()))
	password, _ := u.User.Password()
	o.Set("password", ecs.Text(password))
}
