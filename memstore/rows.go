package memstore

import (
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/linked"
	"github.com/gowebhook/webhook/internal/paging"
)

// A tenant exists while it has an endpoint or an event.
type tenant struct {
	name      string
	endpoints []*endpoint  // by id, without deleted ones
	events    index[event] // by UID
}

type eventKey struct{ tenant, id string }

// An event is stored with its deliveries, and leaves with them.
type event struct {
	webhook.EventRecord // without Deliveries

	key        key
	tenant     *tenant
	deliveries []*delivery // by endpoint id
	open       int         // number of unfinished deliveries
	size       int64       // bytes of the event itself
	bytes      int64       // of the event and the attempts of its deliveries
	mark       uint64

	// attempts has the attempts of all deliveries by StartedAt, if there may be several
	// deliveries. A single delivery has its attempts itself.
	fanout   bool
	attempts index[attempt]

	// State in the outbox.
	unmade bool   // not all deliveries are made
	begun  bool   // some deliveries are made
	isWide bool   // it is in Store.wide
	after  string // id of the last endpoint with a delivery
	queued node[event]

	closed              bool
	linked.Links[event] // in Store.closed

	// Most events have one delivery. It is allocated with the event.
	one  delivery
	only [1]*delivery
}

func (ev *event) eventKey() eventKey { return eventKey{ev.Tenant, ev.ID} }

// delivery returns the delivery to an endpoint, or nil.
func (ev *event) delivery(endpoint string) *delivery {
	if len(ev.deliveries) == 1 && ev.deliveries[0].endpoint.ID == endpoint {
		return ev.deliveries[0]
	}
	if i, found := ev.search(endpoint); found {
		return ev.deliveries[i]
	}
	return nil
}

func (ev *event) search(endpoint string) (int, bool) {
	return slices.BinarySearchFunc(ev.deliveries, endpoint, func(d *delivery, id string) int {
		return strings.Compare(d.endpoint.ID, id)
	})
}

// place is the heap that a delivery is in.
type place uint8

const (
	nowhere place = iota // finished
	inWaiting
	inReady
	inLeased
)

// A delivery is one event for one endpoint.
type delivery struct {
	event    *event
	endpoint *endpoint
	seq      uint64
	version  int64    // version of the endpoint when the delivery was made
	made     *version // the same, while it is unfinished

	state      webhook.DeliveryState
	reason     webhook.Reason
	due        int64 // end of the lease while it is leased
	since      int64
	waited     int64 // see webhook.Leased.Waited
	finishedAt int64
	failures   int
	lastStatus int
	lastClass  webhook.Class

	leaseNo  int64
	leased   bool    // under leaseNo, also after the lease has ended
	settled  bool    // leaseNo was a lease and was settled; only if not leased
	returned []int64 // the last few leases that were settled without an attempt

	attempts  []*attempt // by lease number
	logged    int        // attempts, without Late ones, with removed ones
	removed   int        // number of removed attempts
	removedTo int64      // the highest lease number of removed attempts

	in   place
	slot node[delivery]

	linked.Links[delivery] // in endpoint.unleased, if it is unfinished

	one [1]*attempt // most deliveries have one attempt; its slot is allocated with them
}

// inFlight reports whether a process holds a lease that has not ended.
func (d *delivery) inFlight(now int64) bool { return d.leased && d.due > now }

// isFinishedIn reports whether FinishedFrom and FinishedTo select the delivery.
func (d *delivery) isFinishedIn(q *webhook.Query) bool {
	if d.state == webhook.DeliveryPending {
		return paging.Finished(q, 0)
	}
	return paging.Finished(q, d.finishedAt)
}

// isSelected reports whether State, FinishedFrom, FinishedTo, Class and Status select the delivery.
func (d *delivery) isSelected(q *webhook.Query) bool {
	return (q.State == "" || d.state == q.State) && d.isFinishedIn(q) && paging.LastAttempt(q, d.lastClass, d.lastStatus)
}

// dueFrom returns the time from which the delivery may be leased. The owner of an ended lease
// has a grace to settle it.
func (d *delivery) dueFrom() int64 {
	if d.leased {
		return d.due + leaseGrace
	}
	return d.due
}

const leaseGrace = int64(contract.LeaseGrace / time.Microsecond)

// An attempt is a row of the delivery log. Its Number follows from its place in delivery.attempts.
type attempt struct {
	webhook.Attempt
	delivery *delivery
	leaseNo  int64
	key      key
	bytes    int64
}

// A closedList has the events without unfinished deliveries, in the order in which they closed.
// Only these events may be dropped.
type closedList struct {
	events linked.List[event, *event]
	rows   int // their finished deliveries; an event without deliveries counts as one
	bytes  int64
}

func (l *closedList) push(ev *event) {
	ev.closed = true
	l.events.Push(ev)
	l.rows += max(len(ev.deliveries), 1)
	l.bytes += ev.bytes
}

func (l *closedList) remove(ev *event) {
	ev.closed = false
	l.events.Remove(ev)
	l.rows -= max(len(ev.deliveries), 1)
	l.bytes -= ev.bytes
}
