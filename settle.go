package webhook

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// settleFor is how long a result that the Store refuses is offered to it again. Others have taken the delivery over by then.
const settleFor = 10 * time.Minute

// settlementSize is what a settlement costs in a batch, roughly, in bytes.
func settlementSize(s Settlement) int {
	if s.Attempt == nil {
		return 128
	}
	return 512 + len(s.Attempt.ResponseBody) + len(s.Attempt.Error)
}

// settle stores a result, again and again if the Store fails, until bookkeeping is given up.
func (s *session) settle(item Settlement) {
	_, err := s.d.settles.Do(s.books, item)
	if err != nil {
		s.settleAgain(item, err)
	}
}

func (s *session) settleAgain(item Settlement, err error) {
	s.unsettled.add(&item)
	defer s.unsettled.remove(&item)
	retry := storeBackoff()
	retry.MaxElapsedTime = settleFor
	retry.Reset()
	for {
		s.d.report(fmt.Errorf("settle: %w", err))
		wait := retry.NextBackOff()
		if wait == retry.Stop || s.books.Err() != nil {
			s.lost.Add(1)
			s.d.report(fmt.Errorf("settle: a result was given up; its delivery will be repeated: %w", err))
			return
		}
		s.unsettled.wait(s.books, wait)
		for {
			now := s.unsettled.current(&item)
			if _, err = s.d.settles.Do(s.books, now); err != nil {
				break
			}
			if s.unsettled.done(&item, now.LeaseNo) {
				return
			}
		}
	}
}

// unsettled are the results that the Store refused and that are being offered to it again. If one of their deliveries is
// claimed meanwhile, because its lease has ended, it is not sent again: the result takes the new lease over.
type unsettled struct {
	mu   sync.Mutex
	of   map[resultKey]*Settlement
	hint chan struct{} // closed to offer them all at once
}

type resultKey struct {
	event    uuid.UUID
	endpoint EndpointKey
}

func (u *unsettled) add(item *Settlement) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of == nil {
		u.of = make(map[resultKey]*Settlement)
	}
	u.of[resultKey{item.UID, item.Endpoint}] = item
}

func (u *unsettled) remove(item *Settlement) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if key := (resultKey{item.UID, item.Endpoint}); u.of[key] == item {
		delete(u.of, key)
	}
}

// current returns a result with the lease that it has now.
func (u *unsettled) current(item *Settlement) Settlement {
	u.mu.Lock()
	defer u.mu.Unlock()
	return *item
}

// done removes a result that was stored under a lease, unless it has taken over another one meanwhile.
func (u *unsettled) done(item *Settlement, leaseNo int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if item.LeaseNo != leaseNo {
		return false
	}
	delete(u.of, resultKey{item.UID, item.Endpoint})
	return true
}

// takeOver gives a claimed delivery's lease to its result, if there is one.
func (u *unsettled) takeOver(l *Leased) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	item := u.of[resultKey{l.UID, l.Endpoint}]
	if item == nil {
		return false
	}
	if item.Attempt != nil && l.LeaseNo == item.LeaseNo+1 && l.Attempts >= item.Attempt.Number {
		return false // it was stored, and only the answer was lost: this is its retry
	}
	item.LeaseNo = l.LeaseNo
	return true
}

// wait waits for d, until ctx ends, or until offer.
func (u *unsettled) wait(ctx context.Context, d time.Duration) {
	u.mu.Lock()
	if u.hint == nil {
		u.hint = make(chan struct{})
	}
	hint := u.hint
	u.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hint:
	case <-ctx.Done():
	}
}

// offer says that the Store may be back.
func (u *unsettled) offer() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hint != nil {
		close(u.hint)
		u.hint = nil
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
