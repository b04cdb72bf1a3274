package defender

import (
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// related gathers what is in ECS's related.* of a document. Hosts are in lower
// case, so that all streams can be joined by them.
type related struct {
	hashes, hosts, ips, users mapping.Union
	sharedHosts, sharedUsers  int // those that all documents of the record have
}

func (r *related) reset() {
	*r = related{hashes: r.hashes[:0], hosts: r.hosts[:0], ips: r.ips[:0], users: r.users[:0]}
}

// share makes what there is now the beginning of all documents to come.
func (r *related) share() { r.sharedHosts, r.sharedUsers = len(r.hosts), len(r.users) }

// again starts the next document of the same record.
func (r *related) again() {
	r.hashes, r.ips = r.hashes[:0], r.ips[:0]
	r.hosts, r.users = r.hosts[:r.sharedHosts], r.users[:r.sharedUsers]
}

// host adds what names a host.
func (r *related) host(name string) { r.hosts.Add(strings.ToLower(name)) }

// ip adds an address as the document has it.
func (r *related) ip(v ecs.Value) {
	if v.Present() {
		r.ips.Add(v.String())
	}
}

// url adds the host of a URL, a name or an address.
func (r *related) url(u mapping.URL) {
	r.host(u.Host)
	if u.Address.IsValid() {
		r.ips.Add(u.Address.String())
	}
}

func (r *related) set(d *ecs.Document, o *ecs.Object) {
	o.Set("hash", d.Texts(r.hashes...))
	o.Set("hosts", d.Texts(r.hosts...))
	o.Set("ip", d.Texts(r.ips...))
	o.Set("user", d.Texts(r.users...))
}

// person is what a text says of who did something: a user's principal name; an
// application's name with its owner's address in it, of which the address alone is
// a person; or a name or an id.
func person(text string) (name, domain, email string) {
	local, host, ok := strings.Cut(text, "@")
	if text == "-" || text == "N/A" {
		return "", "", "" // nobody
	} else if !ok {
		return text, "", ""
	}
	isPart := func(s string) bool { return s != "" && !strings.ContainsAny(s, "@ \t()<>[]\",;:") }
	if isPart(local) && isPart(host) {
		return local, host, text
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t()<>[]\",;:", r) }) {
		if local, host, ok := strings.Cut(word, "@"); ok && isPart(local) && isPart(host) {
			return "", "", word
		}
	}
	return text, "", ""
}
