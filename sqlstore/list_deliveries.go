package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
)

// A page reads at most contract.MaxPageRead deliveries, and the event of each. It may read the rows
// of one more statement before it knows whether it needs them.
const (
	// viewsAtOnce is how many deliveries one statement reads at most, from both tables
	// together. deliveriesBy reads the finished ones state by state, so it may read twice as
	// many.
	viewsAtOnce = 250

	// fewViews is how many deliveries of a fan-out event are read first from each table. It is
	// the usual maximum of 10, and one more to see whether the event has more.
	fewViews = 11
)

// A view is a delivery in a list.
type view struct {
	rowKey
	ref         uuid.UUID
	state       webhook.DeliveryState
	reason      webhook.Reason
	attempts    int
	failures    int
	dueAt       int64
	leasedUntil int64
	finishedAt  int64
	last        lastResult
	event       head
}

// scan reads viewQueue or viewDeliveries.
func (v *view) scan(r *sql.Rows) error {
	return r.Scan((*id)(&v.uid), &v.endpoint, (*id)(&v.ref), &v.state, &v.reason, &v.attempts, &v.failures, &v.dueAt, &v.leasedUntil,
		&v.finishedAt, &v.last.status, &v.last.class)
}

func (v *view) delivery(now int64) webhook.Delivery {
	d := webhook.Delivery{
		ID: v.event.id + "." + v.endpoint, Tenant: v.event.tenant, EventID: v.event.id, EventType: v.event.typ, EndpointID: v.endpoint,
		Test: v.event.test, State: v.state, Reason: v.reason, Attempts: v.attempts, Failures: v.failures,
		LastStatus: v.last.status, LastClass: v.last.class, CreatedAt: always(v.event.created),
	}
	if v.state != webhook.DeliveryPending {
		d.FinishedAt = fromMicros(v.finishedAt)
		return d
	}
	due := v.dueAt
	if v.leasedUntil > 0 {
		due = v.leasedUntil - leaseGrace
		d.InFlight = due > now
	}
	d.DueAt = fromMicros(due)
	return d
}

// Deliveries implements [webhook.Store].
func (s *Store) Deliveries(ctx context.Context, q webhook.Query, now time.Time) (webhook.Page[webhook.Delivery], error) {
	var page webhook.Page[webhook.Delivery]
	sel, err := newSelection(&q)
	if err != nil {
		return page, err
	}
	err = s.readPlanned(ctx, func(t *tx) error {
		views, next, err := t.deliveries(sel)
		page.Next = next
		for i := range views {
			page.Items = append(page.Items, views[i].delivery(micros(now)))
		}
		return err
	})
	if err != nil {
		return webhook.Page[webhook.Delivery]{}, err
	}
	return page, nil
}

// A selection is a Query for deliveries.
type selection struct {
	*webhook.Query
	limit    int
	below    uuid.UUID // the list goes on below this event, or with this event's deliveries
	endpoint string    // the list goes on behind this endpoint
	set      bool      // there is a cursor
}

func newSelection(q *webhook.Query) (*selection, error) {
	limit, err := paging.Rows(q)
	if err != nil {
		return nil, err
	}
	sel := &selection{Query: q, limit: limit}
	sel.below, sel.endpoint, sel.set, err = paging.ParseDelivery(q.Cursor)
	return sel, err
}

// A collection is a page of deliveries in the making. Its selection moves on with each delivery
// that is read.
type collection struct {
	selection
	read  int
	views []view
	next  string
}

// full reports whether the page has as many deliveries as it may have. It then sets the cursor.
func (c *collection) full() bool { return c.end(len(c.views) == c.limit) }

// spent reports whether the page is full, or has read as many deliveries as it may. It then
// sets the cursor.
func (c *collection) spent() bool {
	return c.end(len(c.views) == c.limit || c.read >= contract.MaxPageRead)
}

func (c *collection) end(now bool) bool {
	if now {
		c.next = paging.FormatDelivery(c.below, c.endpoint)
	}
	return now
}

func (c *collection) add(v *view) {
	c.below, c.endpoint = v.uid, v.endpoint
	if v.event.matches(c.Query) && (c.EndpointID == "" || v.endpoint == c.EndpointID) && (c.State == "" || v.state == c.State) &&
		paging.Finished(c.Query, v.finishedAt) && paging.LastAttempt(c.Query, v.last.class, v.last.status) {
		c.views = append(c.views, *v)
	}
}

// deliveries reads a page.
func (t *tx) deliveries(sel *selection) ([]view, string, error) {
	c := &collection{selection: *sel}
	var err error
	if sel.EndpointID != "" && sel.EventID == "" && !sel.AllTenants {
		err = t.deliveriesOfEndpoint(c)
	} else {
		err = t.deliveriesOfEvents(c)
	}
	return c.views, c.next, err
}

// deliveriesOfEndpoint reads both tables in the order of events.
func (t *tx) deliveriesOfEndpoint(c *collection) error {
	const each = viewsAtOnce / 2
	ref := refOf(webhook.EndpointKey{Tenant: c.Tenant, ID: c.EndpointID})
	below := lastID
	if c.set {
		below = c.below
	}
	bounds := newHeadList(t, c.Query, below, headsAtOnce)
	below = bounds.below
	for {
		var views []view
		if err := t.Query(deliveriesBy, nil, func(r *sql.Rows) error {
			var v view
			err := v.scan(r)
			views = append(views, v)
			return err
		}, uid(ref), uid(below), uid(bounds.from), num(each)); err != nil {
			return err
		}
		c.read += len(views)
		views, more := merge(views, each, func(a, b view) int { return byRef(b.uid, a.uid) })
		list := make([]uuid.UUID, len(views))
		for i := range views {
			list[i] = views[i].uid
		}
		heads, err := t.heads(list)
		if err != nil {
			return err
		}
		for i := range views {
			if c.full() {
				return nil
			}
			v := &views[i]
			below = v.uid
			h, shown := heads[v.uid]
			if !shown { // another transaction is removing it
				c.below, c.endpoint = v.uid, v.endpoint
				continue
			}
			v.event = h
			c.add(v)
		}
		if !more || c.spent() {
			return nil
		}
	}
}

// merge sorts the deliveries that the two tables returned, and drops those that may not come
// next. A table that returned as many rows as were asked for (each) may have others behind its
// last. So merge drops deliveries behind that last one. It reports whether there may be more.
func merge(views []view, each int, order func(a, b view) int) ([]view, bool) {
	slices.SortFunc(views, order)
	queued, finished := 0, 0
	for i := range views {
		if views[i].state == webhook.DeliveryPending {
			queued++
		} else {
			finished++
		}
		if queued == each || finished == each {
			return views[:i+1], true
		}
	}
	return views, false
}

// deliveriesOfEvents lists the deliveries of one event after the other.
func (t *tx) deliveriesOfEvents(c *collection) error {
	below := lastID
	if c.set {
		below = after(c.below) // the event itself may have more deliveries
	}
	heads := newHeadList(t, c.Query, below, c.limit+1)
	for {
		if err := heads.fetch(); err != nil || len(heads.next) == 0 || c.spent() {
			return err
		}
		some := atOnce(heads.next)
		heads.next = heads.next[len(some):]
		of, err := t.viewsOf(c, some, fewViews)
		if err != nil {
			return err
		}
		for i := range some {
			if err := t.deliveriesOfEvent(c, &some[i], of[some[i].uid]); err != nil || c.next != "" {
				return err
			}
		}
	}
}

// atOnce returns the first events whose first deliveries one statement may read.
func atOnce(some []head) []head {
	rows := 0
	for i := range some {
		if rows++; some[i].fanout {
			rows += 2*fewViews - 1
		}
		if i > 0 && rows > viewsAtOnce {
			return some[:i]
		}
	}
	return some
}

// deliveriesOfEvent adds the deliveries of an event. The caller has read the first of them.
func (t *tx) deliveriesOfEvent(c *collection, h *head, first []view) error {
	if len(first) == 0 && c.below != h.uid {
		if !c.full() {
			c.read++
			c.below, c.endpoint = h.uid, ""
		}
		return nil
	}
	for each := fewViews; ; each = viewsAtOnce / 2 {
		views, more := merge(first, each, func(a, b view) int { return strings.Compare(a.endpoint, b.endpoint) })
		for i := range views {
			if c.full() {
				return nil
			}
			views[i].event = *h
			c.add(&views[i])
		}
		if !more || c.spent() {
			return nil
		}
		of, err := t.viewsOf(c, []head{*h}, viewsAtOnce/2)
		if err != nil {
			return err
		}
		first = of[h.uid]
	}
}

// viewsOf reads deliveries of several events, in the order of their endpoints. It reads at most
// each deliveries of each event from each table, behind those that were read before.
func (t *tx) viewsOf(c *collection, some []head, each int) (map[uuid.UUID][]view, error) {
	of := make(map[uuid.UUID][]view, len(some))
	behind := func(u uuid.UUID) string {
		if u == c.below {
			return c.endpoint
		}
		return ""
	}
	scan := func(r *sql.Rows) error {
		var v view
		err := v.scan(r)
		c.read++
		if v.endpoint > behind(v.uid) {
			of[v.uid] = append(of[v.uid], v)
		}
		return err
	}
	if c.EventID != "" && c.EndpointID != "" && !c.AllTenants {
		return of, t.Query(deliveryOf, nil, scan, uid(some[0].uid), sought(c.EndpointID))
	}
	singles, fanouts := newTable(len(some)), newTable(0)
	for i := range some {
		if h := &some[i]; h.fanout {
			fanouts.Add(uid(h.uid), sought(behind(h.uid)))
		} else {
			singles.Add(uid(h.uid))
		}
	}
	if err := t.Query(deliveriesOfSingles, singles, scan); err != nil {
		return of, err
	}
	return of, t.Query(deliveriesOf, fanouts, scan, num(each))
}
