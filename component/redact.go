package component

import (
	"regexp"
	"strings"
)

const redacted = "[redacted]"

// secretWords mark settings whose values nobody may see, by a part of their
// name in lower case.
var secretWords = []string{
	"secret", "password", "passphrase", "token", "key", "certificate", "auth", "credential", "cookie", "header", "params",
}

// openNames hold one of these words and no secret.
var openNames = map[string]bool{"token_scopes": true}

// markPrefix is before the name of a setting that Fleet knows to be secret
// (agent-contract.md 3.1).
const markPrefix = "__mark_redact_"

// userInfo and query are the parts of a URL that may hold a secret.
var (
	userInfo = regexp.MustCompile(`://[^/@\s"]+@`)
	query    = regexp.MustCompile(`(https?://[^\s?"]+\?)[^\s"]+`)
)

// redact copies a configuration without its secrets: values of settings that are
// named like one or marked as one, the same text wherever else it stands, and
// parts of URLs.
func redact(source map[string]any) map[string]any {
	r := &redaction{}
	hidden := r.names(source)
	pairs := make([]string, 0, 2*len(r.secrets))
	for _, s := range r.secrets {
		pairs = append(pairs, s, redacted)
	}
	return texts(hidden, strings.NewReplacer(pairs...)).(map[string]any)
}

// redaction collects the secrets it meets.
type redaction struct{ secrets []string }

func (r *redaction) names(source map[string]any) map[string]any {
	out := make(map[string]any, len(source))
	for name, v := range source {
		if strings.HasPrefix(name, markPrefix) {
			continue
		}
		if isSecret(name) || source[markPrefix+name] != nil {
			out[name] = r.hide(v)
			continue
		}
		out[name] = r.value(v)
	}
	return out
}

func (r *redaction) value(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return r.names(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.value(v[i])
		}
		return out
	default:
		return v
	}
}

// hide replaces every text in a value; switches and nulls may be seen.
func (r *redaction) hide(v any) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			out[name] = r.hide(v[name])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.hide(v[i])
		}
		return out
	case string:
		if len(v) >= 4 { // a shorter one would make every other text unreadable
			r.secrets = append(r.secrets, v)
		}
		if v == "" {
			return v
		}
	}
	return redacted
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	if openNames[name] {
		return false
	}
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// texts replaces in every text of a value, names included.
func texts(v any, secrets *strings.Replacer) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			out[secrets.Replace(name)] = texts(inner, secrets)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = texts(v[i], secrets)
		}
		return out
	case string:
		s := secrets.Replace(v)
		s = userInfo.ReplaceAllString(s, "://"+redacted+"@")
		return query.ReplaceAllString(s, "${1}"+redacted)
	default:
		return v
	}
}
