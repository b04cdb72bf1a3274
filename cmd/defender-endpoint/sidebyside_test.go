package main_test

import (
	"iter"
	"sync"
	"testing"
)

// sideBySide runs a test of each case, a dozen at a time. Such cases wait for the
// program more than they work, and t.Parallel would run no more of them at a time than
// there are processors.
func sideBySide[C any](t *testing.T, cases iter.Seq2[string, C], run func(*testing.T, C)) {
	t.Helper()
	slots := make(chan struct{}, 12)
	var running sync.WaitGroup
	for name, c := range cases {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			t.Run(name, func(t *testing.T) { run(t, c) })
		})
	}
	running.Wait()
}
