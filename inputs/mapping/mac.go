package mapping

// FormatMAC writes six or eight bytes in hex, with or without separators, the
// way ECS does.
func FormatMAC(s string) (mac string, ok bool) {
	var out [len("00-00-00-00-00-00-00-00")]byte
	n := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ':' || c == '-' || c == '.':
			continue
		case 'a' <= c && c <= 'f':
			c -= 'a' - 'A'
		case '0' <= c && c <= '9' || 'A' <= c && c <= 'F':
		default:
			return "", false
		}
		if n%3 == 2 && n < len(out) {
			out[n] = '-'
			n++
		}
		if n == len(out) {
			return "", false
		}
		out[n] = c
		n++
	}
	return string(out[:n]), n == len("00-00-00-00-00-00") || n == len(out)
}
