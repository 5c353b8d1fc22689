package memstore

import (
	"slices"
	"strings"

	"github.com/gowebhook/webhook"
)

// A tenant exists while it has an endpoint or an event.
type tenant struct {
	name      string
	endpoints []*endpoint  // by id; deleted ones are gone
	events    index[event] // by UID
}

type eventKey struct{ tenant, id string }

// An event is stored with its deliveries, and leaves with them.
type event struct {
	webhook.EventRecord // without Deliveries

	key        key
	tenant     *tenant
	deliveries []*delivery // by endpoint id
	open       int         // how many of them are unfinished
	size       int64       // bytes of the event itself
	bytes      int64       // with the attempts of its deliveries
	mark       uint64

	// attempts are those of all deliveries, by StartedAt, if there may be several deliveries. Otherwise the only one has
	// them.
	fanout   bool
	attempts index[attempt]

	// While it is in the outbox.
	unmade bool   // there are deliveries to be made
	begun  bool   // some have been
	isWide bool   // it is in Store.wide
	after  string // the id of the last of their endpoints
	queued node[event]

	// In the list of closed events.
	closed     bool
	prev, next *event

	// What most events need is allocated with them.
	one  delivery
	only [1]*delivery
}

func (ev *event) eventKey() eventKey { return eventKey{ev.Tenant, ev.ID} }

// delivery returns the one to an endpoint, or nil.
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

// place says which heap a delivery is in.
type place uint8

const (
	nowhere place = iota // it has finished
	inWaiting
	inReady
	inLeased
)

// A delivery is one event owed to one endpoint.
type delivery struct {
	event    *event
	endpoint *endpoint
	seq      uint64
	version  int64    // of the endpoint, when it was made
	made     *version // the same, while it is unfinished

	state      webhook.DeliveryState
	reason     webhook.Reason
	due        int64 // while it is leased: when the lease ends
	since      int64
	finishedAt int64
	failures   int

	leaseNo  int64
	leased   bool    // under leaseNo, however long ago that ended
	settled  bool    // if it is not leased: leaseNo was a lease, and was settled
	returned []int64 // earlier leases that were settled without an attempt, the last few

	attempts  []*attempt // by lease number
	logged    int        // attempts, Late ones not counted, removed ones counted
	removed   int        // attempts that are not kept any more
	removedTo int64      // the highest of their lease numbers

	in         place
	slot       node[delivery]
	prev, next *delivery // the unfinished ones of the endpoint

	one [1]*attempt // what most deliveries need is allocated with them
}

// inFlight reports whether somebody holds a lease that has not ended.
func (d *delivery) inFlight(now int64) bool { return d.leased && d.due > now }

// dueFrom is when the delivery may be leased. An owner whose lease has ended is given a little longer.
func (d *delivery) dueFrom() int64 {
	if d.leased {
		return d.due + leaseGrace
	}
	return d.due
}

// leaseGrace is how long after its end a lease is not taken over, in microseconds.
const leaseGrace = 5_000_000

// An attempt is a row of the delivery log. Its Number follows from its place in delivery.attempts.
type attempt struct {
	webhook.Attempt
	delivery *delivery
	leaseNo  int64
	key      key
	bytes    int64
}

// A closedList has the events of which nothing is unfinished, in the order in which they became so. Only these may be dropped.
type closedList struct {
	head, tail *event
	rows       int // their finished deliveries; one for an event without
	bytes      int64
}

func (l *closedList) push(ev *event) {
	ev.closed, ev.prev = true, l.tail
	if l.tail == nil {
		l.head = ev
	} else {
		l.tail.next = ev
	}
	l.tail = ev
	l.rows += max(len(ev.deliveries), 1)
	l.bytes += ev.bytes
}

func (l *closedList) remove(ev *event) {
	if ev.prev == nil {
		l.head = ev.next
	} else {
		ev.prev.next = ev.next
	}
	if ev.next == nil {
		l.tail = ev.prev
	} else {
		ev.next.prev = ev.prev
	}
	ev.closed, ev.prev, ev.next = false, nil, nil
	l.rows -= max(len(ev.deliveries), 1)
	l.bytes -= ev.bytes
}
