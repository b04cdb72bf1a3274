package api

import (
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// recentSecrets is how many secrets are remembered that are no settings: tokens,
// assertions and what was read from files. The other side may repeat one long
// after it was replaced.
const recentSecrets = 16

// inJSON escapes what many encoders do.
var inJSON = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `&`, `\u0026`, `<`, `\u003c`, `>`, `\u003e`)

// redactor takes our secrets out of what the other side wrote. It may be used from
// several goroutines.
type redactor struct {
	mu     sync.Mutex
	fixed  *strings.Replacer // those of the settings
	recent []inputs.Secret   // the newest last
	live   *strings.Replacer // those of recent
}

// newRedactor finds what must not be seen in the settings.
func newRedactor(c Config) *redactor {
	settings := c.Credentials.secrets()
	for name, values := range c.TokenParams {
		if secretParam.MatchString(name) {
			settings = append(settings, values...)
		}
	}
	if proxy := c.Transport.Proxy.URL; proxy != nil {
		password, _ := proxy.URI().User.Password()
		settings = append(settings, password)
	}
	for _, v := range c.Transport.Proxy.Headers {
		settings = append(settings, v)
	}
	return &redactor{fixed: replacer(settings), live: strings.NewReplacer()}
}

// replacer hides texts as they are and as they are encoded in a form, a path or JSON.
func replacer(texts []string) *strings.Replacer {
	var pairs []string
	for _, s := range texts {
		if s != "" {
			for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), inJSON.Replace(s)} {
				pairs = append(pairs, form, "[redacted]")
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// add hides a secret that is no setting.
func (r *redactor) add(s inputs.Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Reveal() == "" || slices.Contains(r.recent, s) {
		return
	}
	r.recent = append(r.recent, s)
	r.recent = r.recent[max(0, len(r.recent)-recentSecrets):]
	texts := make([]string, len(r.recent))
	for i := range r.recent {
		texts[i] = r.recent[i].Reveal()
	}
	r.live = replacer(texts)
}

// scrub is the text without our secrets.
func (r *redactor) scrub(s string) string {
	r.mu.Lock()
	live := r.live
	r.mu.Unlock()
	return r.fixed.Replace(live.Replace(s))
}
