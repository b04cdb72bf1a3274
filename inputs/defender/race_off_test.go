//go:build !race

package defender_test

// raced says that these tests and the program they start have the race detector.
const raced = false
