package mapping

import "slices"

// Union is a list without repetitions in the order of first appearance. It
// leaves out empty texts.
type Union []string

// Add adds what is not there yet.
func (u *Union) Add(values ...string) {
	for _, s := range values {
		if s != "" && !slices.Contains(*u, s) {
			*u = append(*u, s)
		}
	}
}
