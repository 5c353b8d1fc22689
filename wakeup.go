package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A Listener is implemented by a [Store] through which processes can tell each other that there
// is work. A process cannot begin every delivery itself, for example after EmitTx or without
// Run. With a Listener such a delivery begins at once in another process. Without it, polling
// finds the delivery.
type Listener interface {
	// Listen calls notified once when it has begun, and whenever a process has called Notify.
	// It returns when ctx ends, or with an error. After an error it is called again, except
	// after [errors.ErrUnsupported].
	Listen(ctx context.Context, notified func()) error

	// Notify tells all listening processes.
	Notify(ctx context.Context) error
}

const notifyTimeout = 2 * time.Second

// A notifier tells other processes of work, one call at a time. One more call covers all work
// that comes during a call.
type notifier struct {
	listener Listener // nil if nobody is told
	wanted   atomic.Bool
	running  sync.Mutex
	off      atomic.Bool // the store does not support it
}

func (n *notifier) notify() error {
	if n.listener == nil || n.off.Load() {
		return nil
	}
	n.wanted.Store(true)
	for n.wanted.Load() && n.running.TryLock() {
		err := n.once()
		n.running.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *notifier) once() error {
	n.wanted.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
	defer cancel()
	err := n.listener.Notify(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		n.off.Store(true)
		return nil
	}
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// notify tells other processes of work that this process does not do.
func (d *Dispatcher) notify() {
	if err := d.others.notify(); err != nil {
		d.report(err)
	}
}

// listenLoop lets other processes wake this one.
func (s *session) listenLoop(ctx context.Context) {
	listener := s.d.others.listener
	if listener == nil {
		return
	}
	retry := storeBackoff()
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
		s.d.report(fmt.Errorf("listen: %w", errors.Join(err, errNotListening)))
		sleep(ctx, retry.NextBackOff())
	}
}

var errNotListening = errors.New("until it works again, work is found by polling")
