package api

import (
	"net/url"
	"slices"
	"strings"
)

// Cloud is one of Microsoft's clouds: what gives tokens, what serves the API and
// what the tokens are for belong together (API.md 1.2, 2).
type Cloud struct {
	Name, Title          string
	LoginURL, URL, Scope string
	// domains are those whose hosts are the API's: it hands out links to hosts of its
	// own choice, regional ones and shards.
	domains []string
}

var (
	publicDomains     = []string{".securitycenter.microsoft.com", ".security.microsoft.com"}
	governmentDomains = []string{".securitycenter.microsoft.us", ".security.microsoft.us"}
)

// clouds are all of them, the default first.
var clouds = []Cloud{
	{"commercial", "commercial cloud", "https://login.microsoftonline.com", "https://api.security.microsoft.com",
		"https://api.securitycenter.microsoft.com/.default", publicDomains},
	{"gcc", "GCC cloud", "https://login.microsoftonline.com", "https://api-gcc.securitycenter.microsoft.us",
		"https://api-gcc.securitycenter.microsoft.us/.default", governmentDomains},
	{"gcc_high", "GCC High cloud", "https://login.microsoftonline.us", "https://api-gov.securitycenter.microsoft.us",
		"https://api-gov.securitycenter.microsoft.us/.default", governmentDomains},
	{"dod", "DoD cloud", "https://login.microsoftonline.us", "https://api-gov.securitycenter.microsoft.us",
		"https://api-gov.securitycenter.microsoft.us/.default", governmentDomains},
}

// regions have hosts of their own in the commercial cloud (API.md 2).
var regions = []string{"us", "eu", "uk", "au", "swa", "ina", "aea"}

// CloudNames are the names of the clouds.
func CloudNames() []string {
	names := make([]string, len(clouds))
	for i, c := range clouds {
		names[i] = c.Name
	}
	return names
}

// Regions are the names of the regions of the commercial cloud.
func Regions() []string { return slices.Clone(regions) }

// CloudNamed is the cloud of a name.
func CloudNamed(name string) (Cloud, bool) {
	i := slices.IndexFunc(clouds, func(c Cloud) bool { return c.Name == name })
	if i < 0 {
		return Cloud{}, false
	}
	return clouds[i], true
}

// RegionURL is the API's host of a region.
func RegionURL(region string) string { return "https://" + region + ".api.security.microsoft.com" }

// Serves reports whether a host serves the cloud's API.
func (c Cloud) Serves(host string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(c.domains, func(d string) bool { return strings.HasSuffix(host, d) && len(host) > len(d) })
}

// CloudOf is the cloud that settings belong to which name none: the API's host
// shows it, or else that of the token service. A private host belongs to none.
func CloudOf(apiURL, loginURL string) string {
	serving := func(match func(Cloud, string) bool, text string) string {
		u, err := url.Parse(text)
		if err != nil {
			return ""
		}
		for _, c := range clouds {
			if match(c, strings.ToLower(u.Hostname())) {
				return c.Name
			}
		}
		return ""
	}
	exactly := func(c Cloud, host string) bool { return c.URL == "https://"+host }
	if name := serving(exactly, apiURL); name != "" {
		return name
	}
	if name := serving(Cloud.Serves, apiURL); name != "" {
		return name
	}
	return serving(func(c Cloud, host string) bool { return c.LoginURL == "https://"+host }, loginURL)
}
