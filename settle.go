package webhook

import (
	"context"
	"fmt"
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
	s.unsettled.Add(1)
	defer s.unsettled.Add(-1)
	retry := storeBackoff()
	retry.MaxElapsedTime = settleFor
	retry.Reset()
	for {
		s.d.report(fmt.Errorf("settle: %w", err))
		wait := retry.NextBackOff()
		if wait == retry.Stop {
			s.d.report(fmt.Errorf("settle: a result was not stored within %v; its delivery will be repeated: %w", settleFor, err))
			return
		}
		sleep(s.books, wait)
		if s.books.Err() != nil {
			return
		}
		if _, err = s.d.settles.Do(s.books, item); err == nil {
			return
		}
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
