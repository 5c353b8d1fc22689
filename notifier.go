package webhook

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const notifyTimeout = 2 * time.Second

// A notifier tells other processes of work, one call at a time. One more call covers all work
// that comes during a call.
type notifier struct {
	listener Listener // nil if nobody is told
	wanted   atomic.Bool
	running  sync.Mutex
	off      atomic.Bool // the store does not support it
}

func (n *notifier) notify() (err error) {
	if n.listener == nil || n.off.Load() {
		return nil
	}
	n.wanted.Store(true)
	for n.wanted.Load() && n.running.TryLock() {
		if failed := n.once(); failed != nil {
			err = failed // a call that came meanwhile is served all the same
		}
		n.running.Unlock()
	}
	return err
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
	return err
}

// notify tells other processes of work that this process does not do.
func (d *Dispatcher) notify() {
	if err := d.others.notify(); err != nil {
		d.report("other processes cannot be woken", err)
	}
}
