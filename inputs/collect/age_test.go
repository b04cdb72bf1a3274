package collect

import (
	"testing"
	"time"
)

// TestAge: what was published ages by time that passed, and not by a clock that
// jumps, is wrong for good, or says nothing.
func TestAge(t *testing.T) {
	const day = 24 * time.Hour
	var ours, theirs time.Duration // by which they are off
	for name, c := range map[string]func(hour int){
		"right":                     func(int) {},
		"ours is days ahead":        func(int) { ours = 10 * day },
		"theirs is a month behind":  func(int) { theirs = -30 * day },
		"ours jumps for an hour":    func(hour int) { ours = at(hour == 5, 10*day) + at(hour == 9, -30*day) },
		"theirs jumps for an hour":  func(hour int) { theirs = at(hour == 5, 10*day) + at(hour == 9, -30*day) },
		"ours jumps and stays":      func(hour int) { ours = at(hour > 5, 100*day) },
		"theirs is behind by turns": func(hour int) { theirs = at(hour%2 == 0, -time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs = 0, 0
			var age ageClock
			began := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
			age.read(began, began)
			first := age.time()
			for hour := 1; hour <= 24; hour++ {
				c(hour)
				now := began.Add(time.Duration(hour) * time.Hour)
				age = ageClock{At: age.At, Ours: age.Ours, Theirs: age.Theirs} // as after a restart
				age.read(now.Add(ours), now.Add(theirs))
				if passed := age.time().Sub(first); passed > time.Duration(hour)*time.Hour+time.Minute {
					t.Errorf("aged by %s in %d hours", passed, hour)
				}
			}
			// The hours in which a clock jumps do not count.
			if passed := age.time().Sub(first); passed < 20*time.Hour-time.Minute {
				t.Errorf("aged by %s in a day", passed)
			}
		})
	}
}

func at(so bool, d time.Duration) time.Duration {
	if so {
		return d
	}
	return 0
}
