package defendertest

import "time"

// ticks is a time in steps of 100 ns since 1970, the API's resolution.
type ticks int64

const second = ticks(time.Second / 100)

func toTicks(t time.Time) ticks {
	return ticks(t.Unix())*second + ticks(t.Nanosecond()/100)
}

func (t ticks) time() time.Time {
	s, rest := t/second, t%second
	return time.Unix(int64(s), int64(rest)*100).UTC()
}

// appendJSON writes the time as the API does: UTC with Z, zero to seven
// fractional digits without trailing zeros.
func (t ticks) appendJSON(b []byte) []byte {
	b = append(b, '"')
	b = t.time().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// onGrid is the latest value of SQL's datetime type, a multiple of 1/300 s
// shown with seven digits, that is not after t.
func (t ticks) onGrid() ticks {
	s, rest := t/second, t%second
	return s*second + (rest*300/second*second+150)/300
}
