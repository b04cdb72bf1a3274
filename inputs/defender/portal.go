package defender

import (
	"net/url"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// portal makes links to pages of Microsoft's portal (MAPPING.md 10.5). It is the
// address that the pages begin with, empty where it is not known: that of the
// clouds of governments and of China does not follow from where their API is.
type portal string

func portalOf(c Config) portal {
	for _, address := range []string{c.URL, c.LoginURL} {
		u, err := url.Parse(address)
		if err != nil {
			return ""
		}
		host := strings.ToLower(u.Hostname())
		for _, other := range []string{".us", ".mil", ".cn", ".de"} {
			if strings.HasSuffix(host, other) {
				return ""
			}
		}
	}
	return "https://security.microsoft.com"
}

// maxID is how long an id in a link may be, bytes: those of Defender have 40.
const maxID = 256

// page is the page of a thing of some kind, as seen in a tenant.
func (p portal) page(kind, id, tenant string) ecs.Value {
	if p == "" || id == "" || id == "0" || len(id) > maxID || len(tenant) > maxID {
		return ecs.Value{}
	}
	id = url.PathEscape(id)
	if tenant == "" {
		return ecs.Text(string(p) + "/" + kind + "/" + id)
	}
	return ecs.Text(string(p) + "/" + kind + "/" + id + "?tid=" + url.QueryEscape(tenant))
}
