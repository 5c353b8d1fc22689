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
	return err
}
