package memstore

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
)

// Endpoints implements [webhook.Store].
func (s *Store) Endpoints(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
	var page webhook.Page[webhook.Endpoint]
	if err := ctx.Err(); err != nil {
		return page, err
	}
	limit, err := paging.Rows(&q)
	if err != nil {
		return page, err
	}
	if q.AllTenants && q.Health != "" {
		return s.failing(&q, limit)
	}
	after, err := paging.ParseEndpoint(q.Cursor)
	if err != nil {
		return page, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	read, last, budget := 0, after, paging.NewBudget(&q)
	for e := range s.endpointsAfter(&q, after) {
		wanted := (q.EndpointID == "" || e.ID == q.EndpointID) && paging.HasHealth(&q, &e.Endpoint)
		if len(page.Items) == limit || read == contract.MaxPageRead || wanted && !budget.Take(paging.EndpointSize(&e.Endpoint)) {
			page.Next = paging.FormatEndpoint(last)
			break
		}
		read++
		last = e.key()
		if wanted {
			page.Items = append(page.Items, e.Endpoint)
		}
	}
	return page, nil
}

// failing returns a page of the failing endpoints of all tenants.
func (s *Store) failing(q *webhook.Query, limit int) (page webhook.Page[webhook.Endpoint], err error) {
	after, err := paging.ParseFailing(q.Cursor)
	if err != nil {
		return page, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []paging.FailingPlace
	for _, e := range s.endpoints {
		place := paging.FailingPlace{Since: micros(e.Health.FailingSince), Key: e.key()}
		if !e.tombstone && paging.HasHealth(q, &e.Endpoint) && (q.EndpointID == "" || e.ID == q.EndpointID) && comparePlaces(place, after) > 0 {
			found = append(found, place)
		}
	}
	slices.SortFunc(found, comparePlaces)
	budget := paging.NewBudget(q)
	for i, place := range found {
		e := &s.endpoints[place.Key].Endpoint
		if i == limit || !budget.Take(paging.EndpointSize(e)) {
			page.Next = paging.FormatFailing(found[i-1])
			break
		}
		page.Items = append(page.Items, *e)
	}
	return page, nil
}

// comparePlaces orders failing endpoints, those that have been failing longest first.
func comparePlaces(a, b paging.FailingPlace) int {
	return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.Key.Tenant, b.Key.Tenant), strings.Compare(a.Key.ID, b.Key.ID))
}

// endpointsAfter returns the endpoints after a key, of one tenant or of all. For one tenant,
// q.EndpointID selects a single endpoint.
func (s *Store) endpointsAfter(q *webhook.Query, after webhook.EndpointKey) iter.Seq[*endpoint] {
	owners := s.owners
	if !q.AllTenants {
		i, found := s.searchOwner(q.Tenant)
		if !found {
			return func(func(*endpoint) bool) {}
		}
		owners = owners[i : i+1]
	}
	return func(yield func(*endpoint) bool) {
		first := sort.Search(len(owners), func(i int) bool { return owners[i].name >= after.Tenant })
		for _, t := range owners[first:] {
			list := t.endpoints
			if t.name == after.Tenant {
				list = list[sort.Search(len(list), func(i int) bool { return list[i].ID > after.ID }):]
			}
			if q.EndpointID != "" && !q.AllTenants {
				i, found := search(list, q.EndpointID)
				if !found {
					return
				}
				list = list[i : i+1]
			}
			for _, e := range list {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Events implements [webhook.Store].
func (s *Store) Events(ctx context.Context, q webhook.Query) (webhook.Page[webhook.EventRecord], error) {
	var page webhook.Page[webhook.EventRecord]
	if err := ctx.Err(); err != nil {
		return page, err
	}
	limit, err := paging.Rows(&q)
	if err != nil {
		return page, err
	}
	below, err := eventCursor(q.Cursor)
	if err != nil {
		return page, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	read, budget := 0, paging.NewBudget(&q)
	var last *event
	for ev := range s.eventsBelow(&q, below) {
		record, wanted := ev.EventRecord, ev.matches(&q)
		if q.NoBodies {
			record.Data, record.Header = nil, nil
		}
		if len(page.Items) == limit || read == contract.MaxPageRead || wanted && !budget.Take(paging.EventSize(&record)) {
			page.Next = paging.FormatUID(last.UID)
			break
		}
		read++
		last = ev
		if wanted {
			page.Items = append(page.Items, record)
		}
	}
	return page, nil
}

// timeSlack bounds the difference between the order of UIDs and the order of CreatedAt.
const timeSlack = time.Second

// eventsBelow returns the events with keys below a key that q may select, the newest first.
func (s *Store) eventsBelow(q *webhook.Query, below key) iter.Seq[*event] {
	list := &s.timeline
	switch {
	case q.EventID != "":
		return s.eventsNamed(q, below)
	case !q.AllTenants:
		t := s.tenants[q.Tenant]
		if t == nil {
			return func(func(*event) bool) {}
		}
		list = &t.events
	}
	if !q.To.IsZero() {
		to := q.To.Add(timeSlack)
		if k := list.where(func(ev *event) bool { return !ev.CreatedAt.Before(to) }); k.less(below) {
			below = k
		}
	}
	return sinceFrom(list.down(below), q)
}

// sinceFrom ends a list of events at q.From. The list has the newest first.
func sinceFrom(list iter.Seq[*event], q *webhook.Query) iter.Seq[*event] {
	if q.From.IsZero() {
		return list
	}
	from := q.From.Add(-timeSlack)
	return func(yield func(*event) bool) {
		for ev := range list {
			if ev.CreatedAt.Before(from) || !yield(ev) {
				return
			}
		}
	}
}

// eventsNamed is eventsBelow for an event id. Without a tenant, it asks each tenant.
func (s *Store) eventsNamed(q *webhook.Query, below key) iter.Seq[*event] {
	var found []*event
	add := func(tenant string) {
		if ev := s.events[eventKey{tenant, q.EventID}]; ev != nil && ev.key.less(below) {
			found = append(found, ev)
		}
	}
	if q.AllTenants {
		for name := range s.tenants {
			add(name)
		}
	} else {
		add(q.Tenant)
	}
	slices.SortFunc(found, func(a, b *event) int { return b.key.compare(a.key) })
	return slices.Values(found)
}

func (ev *event) matches(q *webhook.Query) bool {
	return (q.Type == "" || ev.Type == q.Type) &&
		(q.From.IsZero() || !ev.CreatedAt.Before(q.From)) && (q.To.IsZero() || ev.CreatedAt.Before(q.To))
}

// Deliveries implements [webhook.Store].
func (s *Store) Deliveries(ctx context.Context, q webhook.Query, now time.Time) (webhook.Page[webhook.Delivery], error) {
	var page webhook.Page[webhook.Delivery]
	if err := ctx.Err(); err != nil {
		return page, err
	}
	sel, err := newSelection(&q)
	if err != nil {
		return page, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := micros(now)
	page.Next = s.each(sel, func(d *delivery) { page.Items = append(page.Items, d.view(at)) })
	return page, nil
}

func (d *delivery) view(now int64) webhook.Delivery {
	v := webhook.Delivery{
		ID: d.event.ID + "." + d.endpoint.ID, Tenant: d.event.Tenant, EventID: d.event.ID, EventType: d.event.Type,
		EndpointID: d.endpoint.ID, Test: d.event.Test, State: d.state, Reason: d.reason, Attempts: d.logged, Failures: d.failures,
		LastStatus: d.lastStatus, LastClass: d.lastClass, CreatedAt: d.event.CreatedAt,
	}
	if d.state == webhook.DeliveryPending {
		v.DueAt, v.InFlight = fromMicros(d.due), d.inFlight(now)
	} else {
		v.FinishedAt = fromMicros(d.finishedAt)
	}
	return v
}

// A selection is a Query for deliveries.
type selection struct {
	*webhook.Query
	limit int
	from  position
	anyOf func(*delivery) bool // in addition to the Query
}

func newSelection(q *webhook.Query) (selection, error) {
	limit, err := paging.Rows(q)
	if err != nil {
		return selection{}, err
	}
	from, err := parsePosition(q.Cursor)
	return selection{Query: q, limit: limit, from: from}, err
}

// each calls visit with the deliveries of a page, and returns the cursor of the next page.
// visit may change their states.
func (s *Store) each(sel selection, visit func(*delivery)) string {
	read, taken := 0, 0
	last := sel.from
	for ev, d := range s.rows(sel) {
		if taken == sel.limit || read == contract.MaxPageRead {
			return last.String()
		}
		read++
		last = position{event: ev.key}
		if d == nil {
			continue
		}
		last.endpoint = d.endpoint.ID
		if ev.matches(sel.Query) && (sel.EndpointID == "" || d.endpoint.ID == sel.EndpointID) &&
			d.isSelected(sel.Query) && (sel.anyOf == nil || sel.anyOf(d)) {
			taken++
			visit(d)
		}
	}
	return ""
}

// rows returns the deliveries that a selection may include, in order, and also events without
// deliveries.
func (s *Store) rows(sel selection) iter.Seq2[*event, *delivery] {
	q := sel.Query
	return func(yield func(*event, *delivery) bool) {
		if q.EndpointID != "" && q.EventID == "" && !q.AllTenants {
			s.rowsOf(sel, yield)
			return
		}
		below := sel.from.event
		if q.Cursor != "" && below != lastKey { // the last page may have ended inside this event
			below = below.next()
		}
		for ev := range s.eventsBelow(q, below) {
			list := ev.deliveries
			if q.Cursor != "" && ev.key == sel.from.event && sel.from.endpoint != "" {
				i, found := ev.search(sel.from.endpoint)
				if found {
					i++
				}
				if list = list[i:]; len(list) == 0 {
					continue
				}
			}
			if q.EndpointID != "" {
				list = nil
				if d := ev.delivery(q.EndpointID); d != nil && (ev.key != sel.from.event || d.endpoint.ID > sel.from.endpoint) {
					list = []*delivery{d}
				}
			}
			if len(list) == 0 && !yield(ev, nil) {
				return
			}
			for _, d := range list {
				if !yield(ev, d) {
					return
				}
			}
		}
	}
}

// rowsOf is rows for one endpoint.
func (s *Store) rowsOf(sel selection, yield func(*event, *delivery) bool) {
	e := s.endpoints[webhook.EndpointKey{Tenant: sel.Tenant, ID: sel.EndpointID}]
	if e == nil {
		return
	}
	below := sel.from.event
	if !sel.To.IsZero() {
		to := sel.To.Add(timeSlack)
		if k := e.deliveries.where(func(d *delivery) bool { return !d.event.CreatedAt.Before(to) }); k.less(below) {
			below = k
		}
	}
	for d := range e.deliveries.down(below) {
		if !sel.From.IsZero() && d.event.CreatedAt.Before(sel.From.Add(-timeSlack)) || !yield(d.event, d) {
			return
		}
	}
}

// Attempts implements [webhook.Store].
func (s *Store) Attempts(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
	var page webhook.Page[webhook.Attempt]
	if err := ctx.Err(); err != nil {
		return page, err
	}
	limit, err := paging.Rows(&q)
	if err != nil {
		return page, err
	}
	below, err := attemptCursor(q.Cursor)
	if err != nil {
		return page, err
	}
	if !q.To.IsZero() {
		if to := timeKey(micros(q.To), 0); to.less(below) {
			below = to
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	read, skip, budget := 0, q.Skip, paging.NewBudget(&q)
	var last *attempt
	for a := range s.attemptsBelow(&q, below) {
		if !q.From.IsZero() && a.StartedAt.Before(q.From) {
			break
		}
		matches := (q.Class == "" || a.Class == q.Class) && (q.Status == 0 || a.Status == q.Status)
		wanted := matches && skip == 0
		if len(page.Items) == limit || read == contract.MaxPageRead || wanted && !budget.Take(a.listed(&q)) {
			page.Next = paging.Format(paging.Attempts, last.key.bytes())
			break
		}
		read++
		last = a
		switch {
		case wanted:
			page.Items = append(page.Items, a.view(&q))
		case matches:
			skip--
		}
	}
	return page, nil
}

// attemptsBelow returns the attempts of a delivery, an event or an endpoint, or the failed ones
// of all tenants, whose keys are below a key, the latest first.
func (s *Store) attemptsBelow(q *webhook.Query, below key) iter.Seq[*attempt] {
	none := func(func(*attempt) bool) {}
	if q.AllTenants {
		return s.failed.down(below)
	}
	if q.EventID == "" {
		if e := s.endpoints[webhook.EndpointKey{Tenant: q.Tenant, ID: q.EndpointID}]; e != nil {
			return e.attempts.down(below)
		}
		return none
	}
	ev := s.events[eventKey{q.Tenant, q.EventID}]
	if ev == nil || len(ev.deliveries) == 0 {
		return none
	}
	d := ev.deliveries[0]
	switch {
	case q.EndpointID != "":
		d = ev.delivery(q.EndpointID)
	case ev.fanout:
		return ev.attempts.down(below)
	}
	if d == nil {
		return none
	}
	list := slices.DeleteFunc(slices.Clone(d.attempts), func(a *attempt) bool { return !a.key.less(below) })
	slices.SortFunc(list, func(a, b *attempt) int { return b.key.compare(a.key) })
	return slices.Values(list)
}

// listed returns the size of the attempt on a page of q, in bytes.
func (a *attempt) listed(q *webhook.Query) int {
	if q.NoBodies {
		return paging.RowBytes + len(a.Error)
	}
	return paging.AttemptSize(&a.Attempt)
}

// view returns a copy of the attempt with its number. Its body is a copy too, or nil if q
// leaves bodies out.
func (a *attempt) view(q *webhook.Query) webhook.Attempt {
	v := a.Attempt
	if q.NoBodies {
		v.ResponseBody = nil
	}
	i, _ := a.delivery.attempt(a.leaseNo)
	v.Number = a.delivery.removed + i + 1
	v.ResponseBody = bytes.Clone(v.ResponseBody)
	return v
}
