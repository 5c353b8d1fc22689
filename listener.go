package webhook

import (
	"context"
	"errors"

	"github.com/gowebhook/webhook/internal/pacing"
)

// listenLoop lets other processes wake this one.
func (s *session) listenLoop(ctx context.Context) {
	listener := s.d.others.listener
	if listener == nil {
		return
	}
	retry := pacing.StoreBackoff()
	for ctx.Err() == nil {
		heard := false
		err := listener.Listen(ctx, func() {
			heard = true
			s.wake()
		})
		if ctx.Err() != nil || errors.Is(err, errors.ErrUnsupported) {
			return
		}
		if heard {
			retry.Reset()
		}
		s.d.report("listening failed; until it works again, work of other processes is found by polling", err)
		pacing.Sleep(ctx, retry.NextBackOff())
	}
}

// notify tells other processes of work that this process does not do.
func (d *Dispatcher) notify() {
	if err := d.others.notify(); err != nil {
		d.report("other processes cannot be woken", err)
	}
}
