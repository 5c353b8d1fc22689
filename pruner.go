package webhook

import (
	"context"
	"time"
)

const pruneInterval = time.Minute

// A pruner does the housekeeping of the Store.
type pruner struct {
	d      *Dispatcher
	books  context.Context //nolint:containedctx // of the session; ends when bookkeeping is given up
	wanted chan struct{}   // there may be something to prune
}

func newPruner(books context.Context, d *Dispatcher) *pruner {
	return &pruner{d: d, books: books, wanted: make(chan struct{}, 1)}
}

// run prunes every pruneInterval, and when it is wanted, until ctx ends.
func (p *pruner) run(ctx context.Context) {
	for {
		unfinished, err := p.once()
		if err != nil {
			p.d.report("the store cannot be pruned", err)
		}
		wait := pruneInterval
		if unfinished && err == nil {
			wait = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-p.wanted:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// once prunes a part, and reports whether there is another one.
func (p *pruner) once() (unfinished bool, err error) {
	ctx, cancel := context.WithTimeout(p.books, storeTimeout)
	defer cancel()
	if err := p.d.time.keepUp(ctx); err != nil {
		return false, err
	}
	return p.d.store.Prune(ctx, p.d.now(), p.d.config.Retention)
}
