package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// fanoutsAtOnce is how many of the events that one statement looks at may have more than one delivery.
const fanoutsAtOnce = 20

// A view is a delivery as it is listed.
type view struct {
	rowKey
	ref        uuid.UUID
	state      webhook.DeliveryState
	reason     webhook.Reason
	attempts   int
	failures   int
	dueAt      int64
	leased     bool
	finishedAt int64
	event      head
}

// scan reads viewQueue or viewDeliveries.
func (v *view) scan(r *sql.Rows) error {
	return r.Scan((*id)(&v.uid), &v.endpoint, (*id)(&v.ref), &v.state, &v.reason, &v.attempts, &v.failures, &v.dueAt, &v.leased,
		&v.finishedAt)
}

func (v *view) delivery(now int64) webhook.Delivery {
	d := webhook.Delivery{
		ID: v.event.id + "." + v.endpoint, Tenant: v.event.tenant, EventID: v.event.id, EventType: v.event.typ, EndpointID: v.endpoint,
		State: v.state, Reason: v.reason, Attempts: v.attempts, Failures: v.failures, CreatedAt: always(v.event.created),
	}
	if v.state != webhook.DeliveryPending {
		d.FinishedAt = fromMicros(v.finishedAt)
		return d
	}
	due := v.dueAt
	if v.leased {
		due -= leaseGrace
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
	err = s.readPlanned(ctx, "list deliveries", func(t *tx) error {
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
	below    uuid.UUID // events, or this one's deliveries
	endpoint string    // behind this
	set      bool      // there is a cursor
}

func newSelection(q *webhook.Query) (*selection, error) {
	limit, err := paging.Check(q, paging.AllTenants|paging.EventID|paging.EndpointID|paging.Type|paging.State|paging.Times)
	if err != nil {
		return nil, err
	}
	sel := &selection{Query: q, limit: limit}
	sel.below, sel.endpoint, sel.set, err = paging.ParseDelivery(q.Cursor)
	return sel, err
}

// A collection is a page of deliveries in the making.
type collection struct {
	*selection
	read  int
	views []view
	last  string // the cursor of what was read last
	next  string
}

// full reports that no more rows belong to the page, and that there are more.
func (c *collection) full() bool {
	if len(c.views) == c.limit || c.read == paging.MaxRead {
		c.next = c.last
		return true
	}
	return false
}

func (c *collection) add(v *view) {
	c.read++
	c.last = paging.FormatDelivery(v.uid, v.endpoint)
	if v.event.matches(c.Query) && (c.EndpointID == "" || v.endpoint == c.EndpointID) && (c.State == "" || v.state == c.State) {
		c.views = append(c.views, *v)
	}
}

// deliveries reads a page.
func (t *tx) deliveries(sel *selection) ([]view, string, error) {
	c := &collection{selection: sel}
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
	ref := refOf(webhook.EndpointKey{Tenant: c.Tenant, ID: c.EndpointID})
	below := lastID
	if c.set {
		below = c.below
	}
	bounds := newHeadList(t, c.Query, below, headsAtOnce)
	below = bounds.below
	for {
		var views []view
		if err := t.query(deliveriesBy, nil, func(r *sql.Rows) error {
			var v view
			err := v.scan(r)
			views = append(views, v)
			return err
		}, uid(ref), uid(below), uid(bounds.from), num(headsAtOnce)); err != nil {
			return err
		}
		slices.SortFunc(views, func(a, b view) int { return byRef(b.uid, a.uid) })
		// Each table gave as many as were asked for, so below the last of the first so many there may be others.
		ended := len(views) < headsAtOnce
		views = views[:min(len(views), headsAtOnce)]
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
			v.event = heads[v.uid]
			c.add(v)
			below = v.uid
		}
		if ended {
			return nil
		}
	}
}

// deliveriesOfEvents goes through the events, and the deliveries of each.
func (t *tx) deliveriesOfEvents(c *collection) error {
	below := lastID
	if c.set {
		below = after(c.below) // the event itself may have more
	}
	heads := newHeadList(t, c.Query, below, headsAtOnce)
	for {
		if err := heads.fetch(); err != nil || len(heads.next) == 0 {
			return err
		}
		some := heads.next
		fanouts := 0
		for i := range some {
			if some[i].fanout {
				fanouts++
			}
			if fanouts == fanoutsAtOnce {
				some = some[:i+1]
				break
			}
		}
		heads.next = heads.next[len(some):]
		of, err := t.viewsOf(c, some)
		if err != nil {
			return err
		}
		for i := range some {
			h := &some[i]
			for n := range of[h.uid] {
				if c.full() {
					return nil
				}
				v := &of[h.uid][n]
				v.event = *h
				c.add(v)
			}
			if len(of[h.uid]) == 0 {
				if c.full() {
					return nil
				}
				c.read++
				c.last = paging.FormatDelivery(h.uid, "")
			}
		}
	}
}

// viewsOf reads the deliveries of some events, by their endpoints; of each event no more than a page may need.
func (t *tx) viewsOf(c *collection, some []head) (map[uuid.UUID][]view, error) {
	of := make(map[uuid.UUID][]view, len(some))
	scan := func(r *sql.Rows) error {
		var v view
		err := v.scan(r)
		if v.uid != c.below || !c.set || v.endpoint > c.endpoint {
			of[v.uid] = append(of[v.uid], v)
		}
		return err
	}
	if c.EventID != "" && c.EndpointID != "" && !c.AllTenants {
		return of, t.query(deliveryOf, nil, scan, uid(some[0].uid), text(c.EndpointID))
	}
	rows := newTable(len(some), 2)
	for i := range some {
		behind := ""
		if c.set && some[i].uid == c.below {
			behind = c.endpoint
		}
		rows.add(uid(some[i].uid), text(behind))
	}
	most := paging.MaxRead - c.read + 1
	if err := t.query(deliveriesOf, rows, scan, num(most)); err != nil {
		return nil, err
	}
	for _, views := range of {
		slices.SortFunc(views, func(a, b view) int { return cmp.Or(strings.Compare(a.endpoint, b.endpoint), byRef(a.uid, b.uid)) })
	}
	return of, nil
}
