//go:build !race

package main_test

// raceFlags build the program as this test is built.
var raceFlags []string
