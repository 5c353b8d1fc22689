package webhook

import (
	"context"
	"time"

	"github.com/gowebhook/webhook/internal/pacing"
)

const (
	// replayPoll is the time between two looks for replays. Those that this process has
	// started are looked for at once.
	replayPoll = 5 * time.Second

	// replayPause is the pause after a look that found a due replay in another process's
	// hands.
	replayPause = 100 * time.Millisecond
)

// A replayer does the steps of replays, one at a time.
type replayer struct {
	d      *Dispatcher
	books  context.Context //nolint:containedctx // of the session; ends when bookkeeping is given up
	wanted chan struct{}   // there may be a new replay
}

func newReplayer(books context.Context, d *Dispatcher) *replayer {
	return &replayer{d: d, books: books, wanted: make(chan struct{}, 1)}
}

// run does steps when they are due, until ctx ends.
func (p *replayer) run(ctx context.Context) {
	retry := pacing.StoreBackoff()
	for ctx.Err() == nil {
		wait, err := p.step()
		if err != nil {
			p.d.report("replays cannot go on", err)
			wait = retry.NextBackOff()
		} else {
			retry.Reset()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-p.wanted:
		}
		timer.Stop()
	}
}

// step does one step of a replay that is due, and returns the wait until the next.
func (p *replayer) step() (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(p.books, storeTimeout)
	defer cancel()
	if err := p.d.time.keepUp(ctx); err != nil {
		return 0, err
	}
	now := p.d.now()
	stepped, next, err := p.d.store.StepReplay(ctx, now)
	if err != nil {
		return 0, err
	}
	if stepped.ID != "" && !stepped.Cancels {
		p.d.Wake()
	}
	switch {
	case next.IsZero():
		return replayPoll, nil
	case stepped.ID == "":
		return min(max(next.Sub(now), replayPause), replayPoll), nil
	}
	return min(max(next.Sub(now), 0), replayPoll), nil
}
