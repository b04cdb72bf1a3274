package mapping

import "strings"

// Hash finds out what hash a text is by its form, in hex: the name that ECS has for
// it, and the hash in lower case. It is "" where the text is not a hash.
func Hash(text string) (algorithm, hash string) {
	text = strings.TrimSpace(text)
	switch len(text) {
	case 32:
		algorithm = "md5"
	case 40:
		algorithm = "sha1"
	case 64:
		algorithm = "sha256"
	case 128:
		algorithm = "sha512"
	default:
		return "", ""
	}
	capitals := false
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return "", ""
		}
		capitals = capitals || 'A' <= text[i] && text[i] <= 'F'
	}
	if capitals {
		text = strings.ToLower(text)
	}
	return algorithm, text
}
