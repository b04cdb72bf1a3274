package component

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// secretWords mark settings whose values nobody may see, by a part of their
// name in lower case.
var secretWords = []string{
	"secret", "password", "passphrase", "token", "key", "certificate", "auth", "credential", "cookie", "header", "param",
}

// openNames hold one of these words and no secret.
var openNames = map[string]bool{"token_scopes": true}

// blockNames are settings that hold others, some of them secret: what is there in
// place of a block may be one of those.
var blockNames = []string{"ssl", "sasl", "kerberos"}

// markPrefix is before the name of a setting that Fleet knows to be secret
// (AGENT.md 3.1).
const markPrefix = "__mark_redact_"

// addressWords mark settings that hold addresses. What is before the last @
// in one is user and password, whichever characters people left unescaped.
var addressWords = []string{"host", "url", "server", "proxy", "path"}

// userInfo, bareUserInfo (without a scheme) and query are the parts of an
// address, wherever it is, that may hold a secret.
var (
	userInfo     = regexp.MustCompile(`://[^\s"]*@`)
	bareUserInfo = regexp.MustCompile(`[^\s"/:@]+:[^\s"/][^\s"]*@`)
	query        = regexp.MustCompile(`(https?://[^\s?"]+\?)[^\s"]+`)
)

// redact copies a configuration without its secrets: values of settings that are
// named like one or marked as one, the same text wherever else it is, and
// parts of URLs.
func redact(source map[string]any) map[string]any {
	r := &redaction{}
	hidden := r.names(source)
	// The longest first: a part of a secret must not hide the rest from the search.
	slices.SortStableFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
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
		if isSecret(name) || source[markPrefix+name] != nil || isMisplaced(name, v) {
			out[name] = r.hide(v)
			continue
		}
		if has(name, addressWords) {
			v = r.addresses(v)
		}
		out[name] = r.value(v)
	}
	return out
}

// addresses takes user and password out of an address or a list of them.
func (r *redaction) addresses(v any) any {
	switch v := v.(type) {
	case string:
		scheme, rest, found := strings.Cut(v, "://")
		if !found {
			scheme, rest = "", v
		}
		i := strings.LastIndex(rest, "@")
		if i < 0 {
			return v
		}
		_, password, ok := strings.Cut(rest[:i], ":")
		if !ok {
			password = rest[:i]
		}
		r.remember(password)
		if plain, err := url.PathUnescape(password); err == nil {
			r.remember(plain)
		}
		if found {
			scheme += "://"
		}
		return scheme + redacted + "@" + rest[i+1:]
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.addresses(v[i])
		}
		return out
	default:
		return v
	}
}

// remember notes a secret, to find it wherever else it is. A short one would
// make every other text unreadable.
func (r *redaction) remember(secret string) {
	if len(secret) >= 4 {
		r.secrets = append(r.secrets, secret)
	}
}

// rememberParts remembers the parts of a secret that may appear alone: the key of id:key, in
// base64 or not, and what follows the scheme of an Authorization header.
func (r *redaction) rememberParts(secret string) {
	r.remember(secret)
	for _, word := range strings.Fields(secret) {
		if plain, err := base64.StdEncoding.DecodeString(word); err == nil && strings.Contains(string(plain), ":") {
			r.remember(word)
			word = string(plain)
		}
		if _, after, ok := strings.Cut(word, ":"); ok && len(after) >= 8 {
			r.remember(after)
		}
	}
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
		r.rememberParts(v)
		if v == "" {
			return v
		}
	}
	return redacted
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	return !openNames[name] && has(name, secretWords)
}

// isMisplaced reports whether a value is where a block of settings belongs.
func isMisplaced(name string, v any) bool {
	_, isBlock := v.(map[string]any)
	name = strings.ToLower(name[strings.LastIndex(name, ".")+1:])
	return !isBlock && slices.Contains(blockNames, name)
}

func has(name string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(strings.ToLower(name), word) })
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
		s = bareUserInfo.ReplaceAllString(s, redacted+"@")
		return query.ReplaceAllString(s, "${1}"+redacted)
	default:
		return v
	}
}
