package mapping

import (
	"net/netip"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// ParseAddress takes an IP address as services write them: with a zone, in
// brackets, with a port or a prefix's length. What is around the address is cut.
func ParseAddress(text string) (addr netip.Addr, ok bool) {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(text)
	if err == nil {
		return addr.WithZone(""), true
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().WithZone(""), true
	}
	if inside, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inside, "]")
	} else {
		text, _, _ = strings.Cut(text, "/")
	}
	addr, err = netip.ParseAddr(text)
	return addr.WithZone(""), err == nil
}

// IP takes an IP address; what is around it, such as a zone, is cut.
func (e *Envelope) IP(f *Field) ecs.Value {
	if Blank(f.Value) {
		return ecs.Value{}
	}
	if f.Value.Kind() != '"' {
		e.faults.add(f.Name, "an IP address", f.Value)
		return ecs.Value{}
	}
	text := ecs.Unquote(f.Value)
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return ecs.Scalar(f.Value)
	}
	addr, ok := ParseAddress(text)
	if !ok {
		e.Note(f, "not an IP address")
		return ecs.Value{}
	}
	return ecs.Text(addr.String())
}
