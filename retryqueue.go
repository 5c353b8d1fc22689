package webhook

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/gowebhook/webhook/internal/lane"
	"github.com/gowebhook/webhook/internal/pacing"
)

const (
	settleFor  = 10 * time.Minute // how long a result is offered; by then another process has its delivery
	offerItems = 500              // results of one offer
	offerBytes = 1 << 20

	// complainAfter is how long a result waits before its error is reported. Another process
	// may hold the row of an endpoint for a moment.
	complainAfter = 2 * time.Second

	// lastBusyWait is the longest time between two offers before complainAfter.
	lastBusyWait = 150 * time.Millisecond
)

// A retryQueue keeps the results of attempts until the Store has them; see resultState. An
// endpoint that owes results is in debt. Its next results queue up behind these, so that
// they cannot hold up the results of others. One goroutine offers owed results to the Store.
// It runs while there are any. The results of one endpoint are offered in the order in which
// they came.
//
// A claim may bring a delivery whose result is still in the queue, because the lease has
// ended. The result then takes over the new lease, and the delivery is not sent again.
type retryQueue struct {
	session *session
	most    int // owed results that do not count against Config.MaxInFlight

	mu      sync.Mutex
	results map[resultKey]*result // results that may take over a lease
	debts   map[EndpointKey]*debt
	open    int // results that have not ended
	owed    int // results of debts
	bytes   int // size of the owed results
	group   int // results of the next offer, at most
	running bool
	hurried chan struct{}

	offering *offering // the offering under way, or nil
}

// A debt is the owed results of an endpoint.
type debt struct {
	results []*result
	err     error     // of the last offer
	next    time.Time // when the results are offered
	wait    *backoff.ExponentialBackOff
}

func newRetryQueue(s *session) *retryQueue {
	return &retryQueue{
		session: s, most: queueFactor * s.d.config.MaxInFlight, group: offerItems,
		results: make(map[resultKey]*result), debts: make(map[EndpointKey]*debt), hurried: make(chan struct{}, 1),
	}
}

// add registers a new result.
func (q *retryQueue) add(item *Settlement, ticket lane.Ticket[EndpointKey, *work]) *result {
	r := &result{Settlement: *item, ticket: ticket, since: time.Now()}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.results[keyOf(item)] = r
	q.open++
	return r
}

// unsettled returns the number of results that the Store lacks.
func (q *retryQueue) unsettled() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open
}

// inDebt reports whether an endpoint owes results.
func (q *retryQueue) inDebt(key EndpointKey) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.debts[key] != nil
}

// takeOver gives the lease of a claimed delivery to its result, if the queue has one that the
// Store lacks. It reports whether it did.
func (q *retryQueue) takeOver(l *Leased) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.results[resultKey{l.UID, l.Endpoint}]
	switch {
	case r == nil:
		return false
	case r.Attempt == nil, l.LeaseNo == r.LeaseNo+1 && l.Attempts >= r.Attempt.Number:
		q.move(r, resultSuperseded) // nothing was sent, or the Store has the result and only its answer was lost
		return false
	case l.Attempts >= r.Attempt.Number, l.Since.After(r.Attempt.StartedAt):
		delete(q.results, keyOf(&r.Settlement)) // another process has sent it since, or it was retried by hand: the result is late
		return false
	}
	r.LeaseNo, r.ProbeUntil = l.LeaseNo, time.Time{}
	if l.Probe {
		r.ProbeUntil = l.LeaseUntil
	}
	return true
}

// offered returns a result in the form to store under its present lease.
func (q *retryQueue) offered(r *result) Settlement {
	q.mu.Lock()
	defer q.mu.Unlock()
	return r.item()
}

// heed ends a result that was offered under a lease, and reports whether it did. A result that
// has taken over another lease meanwhile goes on. Its attempt is then already stored, as a
// late one.
func (q *retryQueue) heed(r *result, leaseNo int64, reply *settleReply) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if reply.lost && r.LeaseNo != leaseNo {
		r.isLogged = true
		return q.move(r, resultLate) == resultEnded
	}
	q.move(r, resultStored)
	return true
}

// move changes the state of a result by an event, and returns the new state; mu is held. A result
// that ends leaves the queue.
func (q *retryQueue) move(r *result, e resultEvent) resultState {
	was := r.state
	r.state = was.after(e)
	if r.state != resultEnded || was == resultEnded {
		return r.state
	}
	q.open--
	if key := keyOf(&r.Settlement); q.results[key] == r {
		delete(q.results, key)
	}
	if was.isOwed() {
		q.repay(r, was)
	}
	return resultEnded
}

// repay takes a result out of the debt of its endpoint; mu is held.
func (q *retryQueue) repay(r *result, was resultState) {
	q.owed--
	q.bytes -= settlementSize(r.Settlement)
	d := q.debts[r.Endpoint]
	if i := slices.Index(d.results, r); i >= 0 {
		d.results = slices.Delete(d.results, i, i+1)
	}
	if len(d.results) == 0 {
		delete(q.debts, r.Endpoint)
	}
	if q.session.lanes.Repay(r.ticket, was == resultBlocking) {
		q.session.wake()
	}
}

// owe queues a result that the Store has not taken. From then on the result counts against its
// endpoint. It counts against Config.MaxInFlight only if the queue is full. owe returns false
// if the result has ended meanwhile.
func (q *retryQueue) owe(r *result, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, event := settlementSize(r.Settlement), resultRefused
	if q.owed >= q.most || q.bytes+size > queueBytes {
		event = resultOverflowed
	}
	if q.move(r, event) == resultEnded {
		return false
	}
	d := q.debts[r.Endpoint]
	if d == nil {
		d = &debt{err: err, wait: pacing.StoreBackoff()}
		d.next = time.Now().Add(d.wait.NextBackOff())
		q.debts[r.Endpoint] = d
	}
	d.results = append(d.results, r)
	q.owed++
	q.bytes += size
	q.session.lanes.Owe(r.ticket, r.state == resultBlocking)
	if q.running {
		pacing.Hint(q.hurried)
	} else {
		q.running = true
		q.session.workers.running.Go(q.run)
	}
	return true
}

// oldest returns the time since which the oldest owed result waits, its endpoint, and the
// error. The time is zero if no result is owed.
func (q *retryQueue) oldest() (since time.Time, key EndpointKey, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k, d := range q.debts {
		for _, r := range d.results {
			if since.IsZero() || r.since.Before(since) {
				since, key, err = r.since, k, d.err
			}
		}
	}
	return since, key, cmp.Or(err, errBusy)
}

var errBusy = errors.New("it is being stored")

// An offering is one offer of all results that were owed at a moment.
type offering struct {
	at   time.Time
	done chan struct{}
	err  error // of a call of the Store that failed as a whole; set before done is closed
}

// offer offers all owed results at once. It returns nil when the Store has stored or refused
// each result. It returns an error when a call of the Store fails or ctx ends.
func (q *retryQueue) offer(ctx context.Context) error {
	q.mu.Lock()
	if !q.running {
		q.mu.Unlock()
		return nil
	}
	o := &offering{at: time.Now(), done: make(chan struct{})}
	for _, d := range q.debts {
		d.next = o.at
	}
	q.offering = o
	pacing.Hint(q.hurried)
	q.mu.Unlock()
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endOffering ends the offering under way, if there is one; mu is held.
func (q *retryQueue) endOffering(err error) {
	if o := q.offering; o != nil {
		q.offering, o.err = nil, err
		close(o.done)
	}
}

// run offers results until none is owed.
func (q *retryQueue) run() {
	for {
		offered, wait := q.due()
		switch {
		case len(offered) > 0:
			q.try(offered)
		case wait < 0:
			return
		default:
			q.rest(wait)
		}
		if q.session.books.Err() != nil {
			q.giveUp(q.all())
		}
	}
}

// rest waits for d, or until there may be a result to offer.
func (q *retryQueue) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-q.hurried:
	case <-q.session.books.Done():
	}
}

// due returns the results to offer now. The endpoint that has waited longest comes first. If
// there are none, it returns how long to wait. The wait is negative, and run ends, if no
// result is owed.
func (q *retryQueue) due() (offered []*result, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running = len(q.debts) > 0; !q.running {
		q.endOffering(nil)
		return nil, -1
	}
	now := time.Now()
	var ready []*debt
	wait = pacing.LastStoreRetry
	for _, d := range q.debts {
		if left := d.next.Sub(now); left > 0 {
			wait = min(wait, left)
		} else {
			ready = append(ready, d)
		}
	}
	slices.SortFunc(ready, func(a, b *debt) int { return a.next.Compare(b.next) })
	if q.offering != nil && (len(ready) == 0 || ready[0].next.After(q.offering.at)) {
		q.endOffering(nil)
	}
	bytes := 0
	for _, d := range ready {
		for _, r := range d.results {
			bytes += settlementSize(r.Settlement)
			if len(offered) == q.group || len(offered) > 0 && bytes > offerBytes {
				return offered, 0
			}
			offered = append(offered, r)
		}
	}
	return offered, wait
}

// try offers results to the Store.
func (q *retryQueue) try(offered []*result) {
	items := make([]Settlement, len(offered))
	q.mu.Lock()
	for i, r := range offered {
		items[i] = r.item()
	}
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(q.session.books, storeTimeout)
	replies, err := q.session.d.settleNow(ctx, items)
	cancel()
	failed, waits := make(map[EndpointKey]error), make(map[EndpointKey]error)
	var old []*result
	for i, r := range offered {
		switch reply := replyTo(replies, i, err); {
		case reply.err != nil:
			age := time.Since(r.since)
			failed[r.Endpoint] = reply.err
			if err == nil && age >= complainAfter {
				waits[r.Endpoint] = reply.err
			}
			if age >= settleFor {
				old = append(old, r)
			}
		case q.heed(r, items[i].LeaseNo, reply):
			q.session.settled(&items[i])
		}
	}
	for key, err := range waits {
		q.session.d.reportOf(key, "results of an endpoint cannot be stored", err)
	}
	q.giveUp(old)
	q.delay(offered, failed, err)
	q.session.workers.goOn()
}

// delay puts off the next offer of endpoints. After a call that failed as a whole, the next
// offers are smaller. A result that was alone in such a call goes behind the others of its
// endpoint.
func (q *retryQueue) delay(offered []*result, failed map[EndpointKey]error, whole error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.group = min(2*q.group, offerItems)
	if whole != nil {
		q.group = max(len(offered)/2, 1)
		q.endOffering(whole)
	}
	now := time.Now()
	for key, err := range failed {
		if d := q.debts[key]; d != nil {
			d.err = err
			wait := d.wait.NextBackOff()
			if whole == nil && wait > lastBusyWait && now.Sub(d.results[0].since) < complainAfter {
				d.wait.Reset()
				wait = lastBusyWait
			}
			d.next = now.Add(wait)
			if whole != nil && len(offered) == 1 && len(d.results) > 1 && d.results[0] == offered[0] {
				d.results = append(d.results[1:], offered[0])
			}
		}
	}
}

// giveUp ends results that are no longer offered. A claim may have ended some meanwhile; they
// do not count as given up.
func (q *retryQueue) giveUp(list []*result) {
	given := 0
	q.mu.Lock()
	for _, r := range list {
		if r.state != resultEnded {
			q.move(r, resultGivenUp)
			given++
		}
	}
	q.mu.Unlock()
	if given == 0 {
		return
	}
	q.session.lost.Add(int32(given))
	q.session.d.report("results were given up; their deliveries will be repeated", nil, slog.Int("results", given))
}

// all returns the results that are owed.
func (q *retryQueue) all() (list []*result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.debts {
		list = append(list, d.results...)
	}
	return list
}
