package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A Listener is implemented by a [Store] through which processes can tell each other that there is work. It makes deliveries that
// one process cannot begin itself, after EmitTx or without Run, begin at once in another; polling finds them without it.
type Listener interface {
	// Listen calls notified whenever a process has called Notify, and once when it has begun. It returns when ctx ends, or
	// with an error, and is then called again; after [errors.ErrUnsupported] it is not.
	Listen(ctx context.Context, notified func()) error

	// Notify tells all processes that listen.
	Notify(ctx context.Context) error
}

const notifyTimeout = 2 * time.Second

// notifier tells other processes of work, one call at a time: what comes meanwhile is told of by one more.
type notifier struct {
	listener Listener // nil: nobody is told
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

// notify tells other processes that there is work which this one does not do.
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
