package sqlstore

import (
	"cmp"
	"database/sql"
	"strings"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// A rowKey identifies a delivery.
type rowKey struct {
	uid      uuid.UUID
	endpoint string
}

func (k rowKey) cells() []cell { return []cell{uid(k.uid), text(k.endpoint)} }

// compare orders deliveries in the order in which all transactions lock them.
func (k rowKey) compare(other rowKey) int {
	return cmp.Or(byRef(k.uid, other.uid), strings.Compare(k.endpoint, other.endpoint))
}

// A lastResult has the columns of a delivery's last attempt that is not late.
type lastResult struct {
	status int
	class  webhook.Class
}

func lastOf(a *webhook.Attempt) lastResult { return lastResult{a.Status, a.Class} }

// A queueRow is an unfinished delivery.
type queueRow struct {
	rowKey
	ref         uuid.UUID
	lane        uuid.UUID
	dueAt       int64
	leaseNo     int64
	leasedUntil int64 // 0 if it is not leased
	settledNo   int64 // the lease that was settled last
	version     int64
	attempts    int64
	failures    int64
	pruned      int64 // attempts that are not stored any more
	since       int64
	waited      int64 // microseconds, see webhook.Leased.Waited
	size        int64
	fanout      bool
	reason      string
	last        lastResult
}

func (q *queueRow) cells() []cell {
	return []cell{
		uid(q.uid), text(q.endpoint), uid(q.ref), uid(q.lane), num(q.dueAt), num(q.leaseNo), num(q.leasedUntil), num(q.settledNo),
		num(q.version), num(q.attempts), num(q.failures), num(q.pruned), num(q.since), num(q.waited), num(q.size), flag(q.fanout), text(q.reason),
		num(q.last.status), text(q.last.class),
	}
}

// scan reads queueRead.
func (q *queueRow) scan(r *sql.Rows) error {
	return r.Scan((*id)(&q.uid), &q.endpoint, (*id)(&q.ref), &q.dueAt, &q.leaseNo, &q.leasedUntil, &q.settledNo, &q.version, &q.attempts,
		&q.failures, &q.pruned, &q.since, &q.waited, &q.size, &q.fanout, &q.last.status, &q.last.class)
}

// place sets the lane and the due time of a delivery that is not leased.
func (q *queueRow) place(due, now int64) {
	q.leasedUntil, q.dueAt, q.lane = 0, due, zeroID
	if due <= now {
		q.lane = q.ref
	}
}

// wait counts the time for which the delivery was due and not leased until now. The statements
// that lease deliveries count it in the same way.
func (q *queueRow) wait(now int64) { q.waited += max(now-max(q.dueAt, q.leasedUntil), 0) }

// inFlight reports whether the delivery is leased at now.
func (q *queueRow) inFlight(now int64) bool { return q.leasedUntil-leaseGrace > now }

// requeueCells returns the cells of the statement requeue.
func (q *queueRow) requeueCells() []cell {
	return []cell{
		uid(q.uid), text(q.endpoint), uid(q.lane), num(q.dueAt), num(q.leaseNo), num(q.settledNo), num(q.attempts), num(q.failures),
		num(q.since), num(q.waited), text(q.reason), num(q.last.status), text(q.last.class),
	}
}

// A finishedRow is a finished delivery.
type finishedRow struct {
	rowKey
	ref        uuid.UUID
	version    int64
	state      webhook.DeliveryState
	reason     webhook.Reason
	leaseNo    int64
	settledNo  int64
	attempts   int64
	failures   int64
	pruned     int64
	finishedAt int64
	last       lastResult
}

func (f *finishedRow) cells() []cell {
	return []cell{
		uid(f.uid), text(f.endpoint), uid(f.ref), num(f.version), text(f.state), text(f.reason), num(f.leaseNo), num(f.settledNo),
		num(f.attempts), num(f.failures), num(f.pruned), num(f.finishedAt), num(f.last.status), text(f.last.class),
	}
}

// scan reads deliveryRead.
func (f *finishedRow) scan(r *sql.Rows) error {
	return r.Scan((*id)(&f.uid), &f.endpoint, (*id)(&f.ref), &f.version, &f.state, &f.leaseNo, &f.settledNo, &f.attempts, &f.pruned,
		&f.finishedAt, &f.last.status, &f.last.class)
}

// finish turns an unfinished delivery into a finished one.
func (q *queueRow) finish(state webhook.DeliveryState, reason webhook.Reason, now int64) finishedRow {
	return finishedRow{
		rowKey: q.rowKey, ref: q.ref, version: q.version, state: state, reason: reason, leaseNo: q.leaseNo, settledNo: q.settledNo,
		attempts: q.attempts, failures: q.failures, pruned: q.pruned, finishedAt: now, last: q.last,
	}
}

func attemptCells(k rowKey, ref uuid.UUID, leaseNo int64, a *webhook.Attempt, late, fanout bool) []cell {
	return []cell{
		uid(k.uid), text(k.endpoint), num(leaseNo), uid(ref), at(a.StartedAt), num(a.Duration.Microseconds()), num(a.Status),
		text(a.Class), text(plain(a.Error)), flag(a.Truncated), at(a.NextAt), flag(late), flag(a.Test), flag(fanout),
	}
}

func bodyCells(k rowKey, leaseNo int64, body []byte) []cell {
	return []cell{uid(k.uid), text(k.endpoint), num(leaseNo), bin(body)}
}

func final(state webhook.DeliveryState) bool {
	switch state {
	case webhook.DeliverySucceeded, webhook.DeliveryFailed, webhook.DeliveryCanceled:
		return true
	case webhook.DeliveryPending:
	}
	return false
}

// uids returns a table with one column.
func uids(list []uuid.UUID) *table {
	t := newTable(len(list))
	for _, u := range list {
		t.Add(uid(u))
	}
	return t
}

// uidsOf reads a list of UIDs.
func (t *tx) uidsOf(o op, rows *table, scalars ...cell) (list []uuid.UUID, err error) {
	err = t.Query(o, rows, func(r *sql.Rows) error {
		var u id
		err := r.Scan(&u)
		list = append(list, u.uid())
		return err
	}, scalars...)
	return list, err
}

// rowKeys returns a table with the keys of deliveries.
func rowKeys(list []rowKey) *table {
	t := newTable(len(list))
	for _, k := range list {
		t.Add(k.cells()...)
	}
	return t
}

// rowKeysOf reads a list of keys of deliveries.
func (t *tx) rowKeysOf(o op, rows *table, scalars ...cell) (list []rowKey, err error) {
	err = t.Query(o, rows, func(r *sql.Rows) error {
		var k rowKey
		err := r.Scan((*id)(&k.uid), &k.endpoint)
		list = append(list, k)
		return err
	}, scalars...)
	return list, err
}
