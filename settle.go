package webhook

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// settleFor is how long a result that the Store refuses is offered to it again. Others have taken the delivery over by then.
const settleFor = 10 * time.Minute

// settlementSize is what a settlement costs in a batch, roughly, in bytes.
func settlementSize(s Settlement) int {
	if s.Attempt == nil {
		return 128
	}
	return 512 + len(s.Attempt.ResponseBody)
}

// settle stores a result, again and again if the Store fails, until bookkeeping is given up.
func (s *session) settle(item Settlement) {
	_, err := s.d.settles.Do(s.books, item)
	if err == nil {
		return
	}
	s.unsettled.count.Add(1)
	defer s.unsettled.count.Add(-1)
	retry := storeBackoff()
	retry.MaxElapsedTime = settleFor
	retry.Reset()
	for s.books.Err() == nil {
		s.d.report(fmt.Errorf("settle: %w", err))
		wait := retry.NextBackOff()
		if wait == retry.Stop {
			s.d.report(fmt.Errorf("settle: a result was not stored within %v; its delivery will be repeated: %w", settleFor, err))
			return
		}
		s.unsettled.wait(s.books, wait)
		_, err = s.d.settles.Do(s.books, item)
		s.unsettled.tries.Add(1)
		if err == nil {
			return
		}
	}
}

// unsettled are the results that the Store refused and that are being tried again.
type unsettled struct {
	count atomic.Int64
	tries atomic.Int64

	mu  sync.Mutex
	now chan struct{} // closed to try them all at once
}

func (u *unsettled) hint() chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.now == nil {
		u.now = make(chan struct{})
	}
	return u.now
}

// wait waits for d, until ctx ends, or until tryNow.
func (u *unsettled) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-u.hint():
	case <-ctx.Done():
	}
}

// tryNow tries all of them, and returns when each has been tried, or after storeTimeout: a try may hang.
func (u *unsettled) tryNow(ctx context.Context) {
	count := u.count.Load()
	if count == 0 {
		return
	}
	enough := u.tries.Load() + count
	u.hint()
	u.mu.Lock()
	close(u.now)
	u.now = nil
	u.mu.Unlock()
	for began := time.Now(); u.count.Load() > 0 && u.tries.Load() < enough && time.Since(began) < storeTimeout && ctx.Err() == nil; {
		sleep(ctx, 10*time.Millisecond)
	}
}

// settleBatch stores a group of results and heeds what the Store says of their endpoints.
func (d *Dispatcher) settleBatch(items []Settlement) ([]struct{}, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return make([]struct{}, len(items)), d.settleNow(ctx, items)
}

func (d *Dispatcher) settleNow(ctx context.Context, items []Settlement) error {
	asOf := d.settings.clock()
	settled, err := d.store.Settle(ctx, d.now(), items)
	if err != nil {
		return err
	}
	if n := len(settled.Lost); n > 0 {
		d.report(fmt.Errorf("settle: %d leases were lost; their deliveries may be sent twice", n))
	}
	for i := range settled.Endpoints {
		d.heed(&settled.Endpoints[i], asOf)
	}
	return nil
}

// heed takes note of how an endpoint stands, and empties its lane if it must not be sent to now.
func (d *Dispatcher) heed(status *EndpointStatus, asOf time.Duration) {
	d.settings.confirm(status, asOf)
	if status.State == EndpointActive && !status.Circuit && !status.BlockedUntil.After(d.now()) {
		return
	}
	d.emptyLane(status.Key)
}

// emptyLane gives back what waits in memory for an endpoint.
func (d *Dispatcher) emptyLane(key EndpointKey) {
	if s := d.session.Load(); s != nil {
		d.handBack(s.books, s.lanes.Flush(key))
	}
}

// handBack returns leases of deliveries that were not begun. If that fails, the leases end by themselves.
func (d *Dispatcher) handBack(ctx context.Context, works []*work) {
	const most = 500
	for len(works) > 0 {
		n := min(len(works), most)
		items := make([]Settlement, n)
		now := d.now()
		for i, w := range works[:n] {
			items[i] = w.release(now)
		}
		works = works[n:]
		bounded, cancel := context.WithTimeout(ctx, storeTimeout)
		_, err := d.store.Settle(bounded, now, items)
		cancel()
		if err != nil {
			d.report(fmt.Errorf("giving back: %w", err))
			return
		}
	}
}
