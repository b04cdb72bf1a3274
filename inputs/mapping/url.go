package mapping

import (
	"errors"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// URL is what a text says of a URL: what threat analysts and sensors write, with
// or without a scheme, and defanged. Parts that it does not have are empty.
type URL struct {
	Scheme, Username, Password string
	Host                       string     // a name in lower case
	Address                    netip.Addr // in the place of a host
	Port                       int64      // 0 for none
	Path, Query, Fragment      string
}

// ParseURL takes a URL apart. It is not ok where the text is not a URL. A text without
// a scheme begins with a host, unless it begins with a slash.
func ParseURL(text string) (u URL, ok bool) {
	rest := refang(strings.TrimSpace(text))
	u.Scheme, rest = cutScheme(rest)
	hierarchical := u.Scheme == ""
	if after, found := strings.CutPrefix(rest, "//"); found {
		hierarchical, rest = true, after
	} else if strings.HasPrefix(rest, "/") {
		hierarchical = false
	}
	rest, u.Fragment, _ = strings.Cut(rest, "#")
	rest, u.Query, _ = strings.Cut(rest, "?")
	if hierarchical {
		authority := rest
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			authority = rest[:i]
		}
		rest = rest[len(authority):]
		if !u.authority(authority) {
			return URL{}, false
		}
	}
	u.Path, u.Fragment = unescape(rest), unescape(u.Fragment)
	return u, text != ""
}

// defanged are the ways to write a URL so that no program makes a link of it.
var defanged = strings.NewReplacer(
	"[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[DOT]", ".",
	"[:]", ":", "[://]", "://", "[/]", "/", "[@]", "@",
	`\.`, ".",
)

func refang(text string) string {
	// "[" also begins an IPv6 address, which is in no pair of the replacer.
	if strings.ContainsAny(text, `[({\`) {
		text = defanged.Replace(text)
	}
	if len(text) > 4 && strings.EqualFold(text[:4], "hxxp") {
		text = "http" + text[4:]
	}
	if strings.HasPrefix(text, "fxp") {
		text = "ftp" + text[3:]
	}
	return text
}

// opaque are schemes behind which no // has to follow.
var opaque = []string{"about", "blob", "cid", "data", "file", "javascript", "mailto", "tel", "urn", "vbscript"}

// cutScheme takes the scheme off. What is before a colon and a port is a
// host.
func cutScheme(text string) (scheme, rest string) {
	before, after, found := strings.Cut(text, ":")
	if !found || before == "" || !isScheme(before) {
		return "", text
	}
	if strings.HasPrefix(after, "//") {
		return strings.ToLower(before), after
	}
	for _, name := range opaque {
		if strings.EqualFold(before, name) {
			return name, after
		}
	}
	return "", text
}

func isScheme(s string) bool {
	for i := range len(s) {
		letter := 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z'
		later := '0' <= s[i] && s[i] <= '9' || strings.IndexByte("+-.", s[i]) >= 0
		if !letter && (i == 0 || !later) {
			return false
		}
	}
	return true
}

// authority takes user, host and port apart.
func (u *URL) authority(text string) (ok bool) {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		name, password, _ := strings.Cut(text[:i], ":")
		u.Username, u.Password, text = unescape(name), unescape(password), text[i+1:]
	}
	if addr, err := parseAddr(text); err == nil {
		u.Address = addr.WithZone("")
		return true
	}
	host, port := text, ""
	if inside, found := strings.CutPrefix(text, "["); found {
		var after string
		if host, after, found = strings.Cut(inside, "]"); !found || after != "" && after[0] != ':' {
			return false
		}
		port = strings.TrimPrefix(after, ":")
		addr, err := netip.ParseAddr(unescape(host))
		if err != nil || !addr.Is6() {
			return false
		}
		u.Address = addr.WithZone("")
	} else if i := strings.LastIndexByte(text, ':'); i >= 0 {
		host, port = text[:i], text[i+1:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return false
		}
		u.Port = int64(n)
	}
	return u.Address.IsValid() || u.host(host)
}

// parseAddr is netip.ParseAddr, which makes an error of each name that it is given.
func parseAddr(text string) (netip.Addr, error) {
	if last := len(text) - 1; strings.IndexByte(text, ':') < 0 && (last < 0 || text[last] < '0' || text[last] > '9') {
		return netip.Addr{}, errNoAddress
	}
	return netip.ParseAddr(text)
}

var errNoAddress = errors.New("not an IP address")

// host takes a name, or an IPv4 address that had a port.
func (u *URL) host(name string) (ok bool) {
	name = strings.ToLower(strings.TrimSuffix(unescape(name), "."))
	if addr, err := parseAddr(name); err == nil {
		u.Address = addr
		return true
	}
	if name == "" {
		return u.Scheme == "file"
	}
	u.Host = name
	return IsHostName(name)
}

// IsHostName reports whether a text may be the name of a host: labels of letters,
// digits, hyphens and underscores. Letters beyond ASCII are taken as they are.
func IsHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && label > 0:
			label = 0
			continue
		case c >= 0x80, c == '-', c == '_', '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'z':
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0
}

// unescape resolves %20 and its like; what cannot be, or would be no text, stays.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	if plain, err := url.PathUnescape(s); err == nil && utf8.ValidString(plain) {
		return plain
	}
	return s
}

// SetURL splits a URL into the fields of ECS's url. One that cannot be parsed
// keeps its text.
func SetURL(o *ecs.Object, full ecs.Value) (u URL) {
	if !full.Present() {
		return u
	}
	o.Set("full", full)
	o.Set("original", full)
	u, ok := ParseURL(full.String())
	if !ok {
		return u
	}
	o.Set("scheme", ecs.Text(u.Scheme))
	u.setDomain(o)
	if u.Port != 0 {
		o.Set("port", ecs.Int(u.Port))
	}
	o.Set("path", ecs.Text(u.Path))
	o.Set("extension", ecs.Text(strings.TrimPrefix(path.Ext(u.Path), ".")))
	o.Set("query", ecs.Text(u.Query))
	o.Set("fragment", ecs.Text(u.Fragment))
	o.Set("username", ecs.Text(u.Username))
	o.Set("password", ecs.Text(u.Password))
	return u
}

// setDomain sets the host, and what the public suffix list says of a name.
func (u *URL) setDomain(o *ecs.Object) {
	switch {
	case u.Address.Is6():
		o.Set("domain", ecs.Text("["+u.Address.String()+"]")) // as ECS wants it
		return
	case u.Address.IsValid():
		o.Set("domain", ecs.Text(u.Address.String()))
		return
	}
	o.Set("domain", ecs.Text(u.Host))
	if strings.IndexByte(u.Host, '.') < 0 {
		return
	}
	suffix, _ := publicsuffix.PublicSuffix(u.Host)
	o.Set("top_level_domain", ecs.Text(suffix))
	registered, err := publicsuffix.EffectiveTLDPlusOne(u.Host)
	if err != nil {
		return
	}
	o.Set("registered_domain", ecs.Text(registered))
	o.Set("subdomain", ecs.Text(strings.TrimSuffix(strings.TrimSuffix(u.Host, registered), ".")))
}
