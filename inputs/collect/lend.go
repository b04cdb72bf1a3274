package collect

import (
	"context"
	"sync"
	"time"
)

// batchPatience is how long a batch is kept while no answer comes.
const batchPatience = 5 * time.Second

// open asks for a page. Anyone who waits long for an answer lends the batch to other
// streams, at once where the source knows that it will be long: one source that is
// silent or throttled must not stop the others.
func (l *Loop) open(ctx context.Context, r Request) (Page, error) {
	var once sync.Once
	lent := false
	lend := func() { once.Do(func() { lent = true; l.giveBatch() }) }
	timer := time.AfterFunc(batchPatience, lend)
	r.Waits = lend
	answer, err := l.Source.Open(ctx, r)
	timer.Stop()
	once.Do(func() {}) // waits for a lend that is under way
	if !lent || err != nil {
		return answer, err
	}
	if err := l.takeBatch(ctx); err != nil {
		_ = answer.Close()
		return nil, err
	}
	return answer, nil
}

// takeBatch waits for a batch of the process.
func (l *Loop) takeBatch(ctx context.Context) (err error) {
	if l.batch, err = l.Env.Batches.Take(ctx, l.Priority); err == nil {
		l.batch.Target, l.batch.Fallback = l.Target, l.Fallback
	}
	return err
}

// giveBatch returns it. That there is none is no error.
func (l *Loop) giveBatch() {
	if l.batch != nil {
		l.Env.Batches.Give(l.batch)
		l.batch = nil
	}
}
