package mapping

import "slices"

// Blank reports whether a value counts as not set in every stream: absent, null,
// the empty text, or the text null, which services send for it. A stream may have
// more texts for nothing, see Settings.Sentinels; and no date is of the year 1.
func Blank(v Raw) bool {
	switch string(v) {
	case "", "null", `""`, `"null"`:
		return true
	}
	return false
}

// clear takes the values that are one of the stream's texts for nothing out of
// what a decoder has decoded.
func (e *Envelope) clear(d *Decoder) {
	if len(e.sentinels) == 0 {
		return
	}
	for _, s := range d.all {
		// Most values are longer, or null.
		if v := *s.value; len(v) > 0 && len(v) <= e.longest && v[0] == '"' && slices.Contains(e.sentinels, string(v)) {
			*s.value = nil
		}
	}
}

// Decode decodes the record itself, or an object that is known to be one.
func (e *Envelope) Decode(d *Decoder, object Raw) error {
	if o := e.apart(object); o == nil || !d.take(o) {
		if err := d.Decode(object); err != nil {
			return err
		}
	}
	e.clear(d)
	return nil
}
