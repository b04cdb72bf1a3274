package inputs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

func TestBatchesGoToTheUrgentOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inputs.NewBatches(1)
		first, err := p.Take(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan int, 4)
		wait := func(priority int) {
			go func() {
				b, err := p.Take(t.Context(), priority)
				if err != nil {
					t.Error(err)
					return
				}
				order <- priority
				p.Give(b)
			}()
			synctest.Wait()
			time.Sleep(time.Second)
		}
		wait(2)
		wait(1)
		wait(0)
		time.Sleep(time.Minute)
		wait(0) // the others have waited for long enough
		gone, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { _, err := p.Take(gone, 0); ended <- err }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		p.Give(first)
		synctest.Wait()
		for i, want := range []int{0, 1, 2, 0} {
			if got := <-order; got != want {
				t.Errorf("the batch went to priority %d as number %d, want %d", got, i, want)
			}
		}
		if b, err := p.Take(t.Context(), 2); err != nil || b != first {
			t.Errorf("the batch is not back: %v", err)
		}
	})
}
