//go:build !race

package main_test

// raced says that these tests and the program they start have the race detector.
const raced = false
