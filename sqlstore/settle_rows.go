package sqlstore

import "github.com/gowebhook/webhook/internal/health"

// An attemptKey identifies an attempt.
type attemptKey struct {
	rowKey
	leaseNo int64
}

func (k *attemptKey) cells() []cell { return append(k.rowKey.cells(), num(k.leaseNo)) }

// settleRows are the locked rows of a settler's items.
type settleRows struct {
	queue    map[rowKey]*queueRow
	finished map[rowKey]*finishedRow
	logged   map[attemptKey]bool // attempts that are stored; true if late
}

// find returns the item's delivery, in the queue or finished, or nil and nil. A delivery of
// another tenant may have the same key.
func (r *settleRows) find(item *settleItem) (*queueRow, *finishedRow) {
	q, f := r.queue[item.key()], r.finished[item.key()]
	if q != nil && q.ref != item.ref || f != nil && f.ref != item.ref {
		return nil, nil
	}
	return q, f
}

// leased reports whether the item's delivery is leased under the item's number.
func (r *settleRows) leased(item *settleItem) bool {
	q, f := r.find(item)
	return q != nil && f == nil && q.leasedUntil > 0 && q.leaseNo == item.LeaseNo
}

// facts returns the facts about an item. s is the status of its endpoint, or nil.
func (r *settleRows) facts(item *settleItem, s *status) health.Facts {
	q, f := r.find(item)
	late, logged := r.logged[item.attemptKey()]
	facts := health.Facts{
		Found: q != nil || f != nil, Leased: r.leased(item), Settled: logged && !late, Logged: logged, Exists: s != nil,
	}
	if no := item.LeaseNo; no > 0 && (q != nil && q.settledNo == no || f != nil && f.settledNo == no) {
		facts.Settled = true
	}
	if s != nil {
		facts.Version = s.Version
	}
	return facts
}
