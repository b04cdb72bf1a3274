package monitor

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// width is that of a terminal that nobody made wider.
const width = 80

// Table writes an overview for people, in lines of at most 80 characters.
func Table(w io.Writer, o Overview, now time.Time) {
	age := now.Sub(o.At)
	fmt.Fprintf(w, "defender-endpoint %s, process %d, up %s\n", o.Version, o.PID, short(o.At.Sub(o.Started)))
	switch {
	case o.Ended:
		fmt.Fprintf(w, "  ended %s ago\n", short(age))
	case age > Stale:
		wrap(w, "  ", fmt.Sprintf("this was written %s ago: the process hangs or is gone", short(age)))
	}
	for _, u := range o.Units {
		fmt.Fprintln(w)
		wrap(w, "", u.Name())
		wrap(w, "  ", u.State+" "+u.Reason)
		for _, s := range u.Streams {
			s.write(w, now)
		}
	}
}

func (s Stream) write(w io.Writer, now time.Time) {
	wrap(w, "  ", "stream "+s.ID)
	wrap(w, "    ", s.State+" "+s.Reason)
	success := "no full poll yet"
	if s.LastSuccess != nil {
		success = fmt.Sprintf("last full poll %s ago, lag %s", short(now.Sub(*s.LastSuccess)), short(time.Duration(s.LagSeconds)*time.Second))
	}
	if s.NewestRecord != nil {
		success += ", newest record " + s.NewestRecord.Format("2006-01-02 15:04:05Z")
	}
	wrap(w, "    ", success)
	wrap(w, "    ", fmt.Sprintf("records %d (seen before %d, quarantined %d)", s.Records, s.Duplicates, s.Quarantined))
	wrap(w, "    ", fmt.Sprintf("documents %d: stored %d, already there %d, in a lesser form %d", s.Documents, s.Stored, s.Existing, s.Minimal+s.Bare))
	var left []string
	if s.QuotaLeft != nil {
		left = append(left, fmt.Sprintf("%d calls left of this hour", *s.QuotaLeft))
	}
	if s.HeldUntil != nil && s.HeldUntil.After(now) {
		left = append(left, "the API asked to wait until "+s.HeldUntil.Format("15:04:05Z"))
	}
	if s.CredentialsDaysLeft != nil {
		left = append(left, fmt.Sprintf("credentials valid for %d days", *s.CredentialsDaysLeft))
	}
	if len(left) > 0 {
		wrap(w, "    ", strings.Join(left, ", "))
	}
}

// wrap writes words in lines of at most width characters, where words allow.
func wrap(w io.Writer, indent, text string) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == indent:
			line += word
		case len(line)+1+len(word) > width:
			fmt.Fprintln(w, line)
			line = indent + "  " + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(w, line)
}

// short is a duration in its two largest units.
func short(d time.Duration) string {
	d = max(d, 0).Truncate(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
