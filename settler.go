package webhook

import (
	"context"
	"log/slog"
	"time"
)

// settlementSize returns the approximate size of a settlement in a batch, in bytes.
func settlementSize(s Settlement) int {
	if s.Attempt == nil {
		return 128
	}
	return 512 + len(s.Attempt.ResponseBody) + len(s.Attempt.Error)
}

// A settleReply is the Store's answer for one result.
type settleReply struct {
	err  error // why the result is not stored
	lost bool  // its lease was lost
}

// replyTo returns the reply to the i-th item of a call of the Store. err is the error of the
// whole call, or nil.
func replyTo(replies []settleReply, i int, err error) *settleReply {
	if err != nil {
		return &settleReply{err: err}
	}
	return &replies[i]
}

// settle offers a result to the Store. If the Store does not take it, it leaves the result to
// the retry queue. It reports whether the result has ended.
func (s *session) settle(r *result) bool {
	var err error
	if !s.results.inDebt(r.Endpoint) {
		item := s.results.offered(r)
		var reply settleReply
		if reply, err = s.d.settles.Do(s.books, item); err == nil {
			err = reply.err // the retry queue reports it if it lasts
		}
		switch {
		case err != nil:
		case s.results.heed(r, item.LeaseNo, &reply):
			s.settled(&item)
			return true
		}
	}
	return !s.results.owe(r, err)
}

// settled follows up on a stored result.
func (s *session) settled(item *Settlement) {
	if item.State == DeliveryPending {
		s.claimer.expect(item.DueAt)
	}
}

// settleBatch stores a group of results.
func (d *Dispatcher) settleBatch(items []Settlement) ([]settleReply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return d.settleNow(ctx, items)
}

// settleNow stores results, and takes note of the status of their endpoints.
func (d *Dispatcher) settleNow(ctx context.Context, items []Settlement) ([]settleReply, error) {
	asOf := d.time.uptime()
	settled, err := d.store.Settle(ctx, d.now(), items)
	if err != nil {
		d.report("results cannot be stored", err) // once, not for each caller
		return nil, err
	}
	if n := len(settled.Lost); n > 0 {
		d.report("leases were lost; their deliveries may be sent twice", nil, slog.Int("leases", n))
		if tell := d.config.Observer.LeaseLost; tell != nil {
			d.observe(func() { tell(n) })
		}
		d.time.refresh()
	}
	replies := make([]settleReply, len(items))
	for i, err := range settled.Failed {
		replies[i].err = err
	}
	for i := range settled.Endpoints {
		d.heed(&settled.Endpoints[i], asOf)
	}
	for _, i := range settled.Lost {
		replies[i].lost = true
	}
	d.notice(settled.Notices)
	return replies, nil
}

// heed takes note of an endpoint's status. It empties the endpoint's lane if no request may go
// to it now.
func (d *Dispatcher) heed(status *EndpointStatus, asOf time.Duration) {
	wasOpen := d.endpoints.hasCircuit(status.Key)
	d.endpoints.confirm(status, asOf)
	if wasOpen != status.Circuit {
		d.logCircuit(status)
	}
	if status.State == EndpointActive && !status.Circuit && !status.BlockedUntil.After(d.now()) {
		return
	}
	d.emptyLane(status.Key)
}

// restartLane lets the lane of an endpoint begin anew.
func (d *Dispatcher) restartLane(key EndpointKey) {
	if s := d.session.Load(); s != nil {
		s.lanes.Restart(key)
	}
}

// emptyLane gives back the deliveries that wait in memory for an endpoint.
func (d *Dispatcher) emptyLane(key EndpointKey) {
	if s := d.session.Load(); s != nil {
		d.handBack(s.books, s.lanes.Flush(key))
	}
}

// handBack returns leases of deliveries that have not begun. If that fails, the leases end by
// themselves.
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
		settled, err := d.store.Settle(bounded, now, items)
		cancel()
		if err != nil {
			d.report("leases cannot be given back", err, slog.Int("leases", n))
			return
		}
		for _, err := range settled.Failed {
			d.report("leases cannot be given back", err, slog.Int("leases", len(settled.Failed)))
			break
		}
	}
}
