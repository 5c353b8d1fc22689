package webhook

import (
	"context"
	"errors"

	"github.com/gowebhook/webhook/internal/pacing"
)

// A listener lets other processes wake this one.
type listener struct {
	d    *Dispatcher
	wake func()
}

// run listens until ctx ends, if the Store is a Listener.
func (l *listener) run(ctx context.Context) {
	store := l.d.others.listener
	if store == nil {
		return
	}
	retry := pacing.StoreBackoff()
	for ctx.Err() == nil {
		heard := false
		err := store.Listen(ctx, func() {
			heard = true
			l.wake()
		})
		if ctx.Err() != nil || errors.Is(err, errors.ErrUnsupported) {
			return
		}
		if heard {
			retry.Reset()
		}
		l.d.report("listening failed; until it works again, work of other processes is found by polling", err)
		pacing.Sleep(ctx, retry.NextBackOff())
	}
}
