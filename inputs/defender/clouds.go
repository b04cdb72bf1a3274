package defender

// Cloud is where an organisation's tenant is, with the settings that belong together
// (API.md 1.2).
type Cloud struct {
	Name     string // on the command line
	LoginURL string
	URL      string
	Scope    string
}

// Clouds are those that are known, the commercial one first.
func Clouds() []Cloud {
	c := defaults()
	return []Cloud{
		{"commercial", c.LoginURL, c.URL, c.TokenScopes[0]},
		{"gcc", c.LoginURL, "https://api-gcc.securitycenter.microsoft.us", "https://api-gcc.securitycenter.microsoft.us/.default"},
		{"gcc-high", "https://login.microsoftonline.us", "https://api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us/.default"},
		{"dod", "https://login.microsoftonline.us", "https://api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us/.default"},
	}
}
