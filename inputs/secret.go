package inputs

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is text that must not be seen: it prints as [redacted] wherever it is
// formatted, logged or marshalled as a value (encoding/json shows the key of a
// map). Reveal gives the text.
type Secret string

// Reveal returns the secret's text, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

// Format prints [redacted] for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns [redacted].
func (s Secret) String() string { return redacted }

// LogValue returns [redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns [redacted].
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Unpack takes the text from a configuration. Without it go-ucfg does not end
// on a named string type.
func (s *Secret) Unpack(text string) error {
	*s = Secret(text)
	return nil
}
