package mapping

import (
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// SetURL splits a URL into the fields of ECS's url. One that cannot be parsed
// keeps its text.
func SetURL(o *ecs.Object, full ecs.Value) {
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
	if text := u.Port(); text != "" {
		if port, err := strconv.ParseInt(text, 10, 64); err == nil {
			o.Set("port", ecs.Int(port))
		}
	}
	o.Set("path", ecs.Text(u.Path))
	o.Set("extension", ecs.Text(strings.TrimPrefix(path.Ext(u.Path), ".")))
	o.Set("query", ecs.Text(u.RawQuery))
	o.Set("fragment", ecs.Text(u.Fragment))
	o.Set("username", ecs.Text(u.User.Username()))
	password, _ := u.User.Password()
	o.Set("password", ecs.Text(password))
}
