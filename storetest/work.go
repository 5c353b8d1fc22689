package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// room returns a request for all due deliveries.
func (f *fixture) room() webhook.ClaimRequest {
	return webhook.ClaimRequest{
		Now: f.now, LeaseUntil: f.now.Add(leaseTime), Max: 1000, MaxBytes: 64 << 20, Room: 1000,
	}
}

// call claims once.
func (f *fixture) call(req webhook.ClaimRequest) webhook.Claimed {
	f.Helper()
	c, err := f.store.Claim(f.ctx(), req)
	f.must("Claim", err)
	return c
}

// round claims until all endpoints have been visited, and returns each reply.
func (f *fixture) round(req webhook.ClaimRequest) []webhook.Claimed {
	f.Helper()
	var replies []webhook.Claimed
	for range 1000 {
		c := f.call(req)
		replies = append(replies, c)
		if req.Cursor = c.Next; req.Cursor == "" {
			return replies
		}
	}
	f.Fatalf("a round of Claim has not ended after 1,000 calls")
	return nil
}

// claim leases all due deliveries, and returns them sorted by name.
func (f *fixture) claim() []webhook.Leased {
	f.Helper()
	return f.leases(f.round(f.room()))
}

// leases returns the deliveries that several replies leased, sorted by name.
func (f *fixture) leases(replies []webhook.Claimed) []webhook.Leased {
	var all []webhook.Leased
	for _, c := range replies {
		all = append(all, c.Deliveries...)
	}
	slices.SortFunc(all, func(a, b webhook.Leased) int { return strings.Compare(f.name(a), f.name(b)) })
	return all
}

// name returns the id of a leased delivery: "<event id>.<endpoint id>".
func (f *fixture) name(l webhook.Leased) string {
	e, ok := f.sent[l.UID]
	if !ok {
		return fmt.Sprintf("unknown event %v.%s", l.UID, l.Endpoint.ID)
	}
	return e.ID + "." + l.Endpoint.ID
}

func (f *fixture) leaseNames(leases []webhook.Leased) []string {
	list := make([]string, len(leases))
	for i, l := range leases {
		list[i] = f.name(l)
	}
	return list
}

// expectClaim claims all due deliveries, and checks that they are the wanted ones. It returns
// them sorted by name.
func (f *fixture) expectClaim(want ...string) []webhook.Leased {
	f.Helper()
	leases := f.claim()
	if got := f.leaseNames(leases); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		f.Fatalf("claimed at base+%v: got %q, want %q", f.now.Sub(base), got, want)
	}
	return leases
}

// take claims the single delivery that is due.
func (f *fixture) take(want string) webhook.Leased {
	f.Helper()
	return f.expectClaim(want)[0]
}

// own returns the lease of a row that was published as leased.
func (f *fixture) own(e webhook.EventRecord, endpoint string) webhook.Leased {
	return webhook.Leased{UID: e.UID, Endpoint: key(e.Tenant, endpoint), LeaseNo: 1}
}

// claimedEvent claims once, and returns the only event of the reply.
func (f *fixture) claimedEvent() webhook.EventRecord {
	f.Helper()
	c := f.call(f.room())
	if len(c.Events) != 1 {
		f.Fatalf("Claim returned %d events, want 1", len(c.Events))
	}
	return c.Events[0]
}

// attempt returns an attempt of now. It is a success if class is empty.
func (f *fixture) attempt(l webhook.Leased, class webhook.Class) *webhook.Attempt {
	e := f.sent[l.UID]
	a := &webhook.Attempt{
		Tenant: l.Endpoint.Tenant, EventID: e.ID, EventType: e.Type, EndpointID: l.Endpoint.ID,
		StartedAt: f.now, Class: class,
	}
	switch class {
	case "":
		a.Status, a.ResponseBody = 200, []byte("ok")
	case webhook.ClassStatus:
		a.Status, a.Error, a.ResponseBody = 500, "500 Internal Server Error", []byte("oops")
	default:
		a.Error = string(class)
	}
	return a
}

// item settles a lease after a request. The request used the version that the fixture last gave
// the endpoint.
func (f *fixture) item(l webhook.Leased, state webhook.DeliveryState, a *webhook.Attempt) webhook.Settlement {
	return webhook.Settlement{
		UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, State: state, Attempt: a, Version: f.versions[l.Endpoint],
	}
}

// success settles with a successful attempt.
func (f *fixture) success(l webhook.Leased) webhook.Settlement {
	return f.item(l, webhook.DeliverySucceeded, f.attempt(l, ""))
}

// retryIn settles with a failed attempt and a retry after d.
func (f *fixture) retryIn(l webhook.Leased, d time.Duration) webhook.Settlement {
	s := f.item(l, webhook.DeliveryPending, f.attempt(l, webhook.ClassStatus))
	s.DueAt, s.Failures = f.now.Add(d), l.Failures+1
	return s
}

// failure settles with a failed attempt and no retry.
func (f *fixture) failure(l webhook.Leased) webhook.Settlement {
	s := f.item(l, webhook.DeliveryFailed, f.attempt(l, webhook.ClassStatus))
	s.Reason, s.Failures = webhook.ReasonExhausted, l.Failures+1
	return s
}

// giveBack settles a lease without an attempt. The delivery is due again after d.
func (f *fixture) giveBack(l webhook.Leased, d time.Duration) webhook.Settlement {
	s := f.item(l, webhook.DeliveryPending, nil)
	s.DueAt, s.Failures = f.now.Add(d), l.Failures
	return s
}

// block holds an endpoint back for d, as a receiver's Retry-After does, or as an opening
// circuit does.
func (f *fixture) block(tenant, id string, d time.Duration, circuit bool) (until time.Time) {
	f.Helper()
	e := f.event(tenant, fmt.Sprintf("block%d", f.seq), f.held(id)...)
	f.publish(e)
	s := f.item(f.own(e, id), webhook.DeliveryCanceled, nil)
	s.Reason, s.BlockUntil, s.OpenCircuit = webhook.ReasonCanceled, f.now.Add(d), circuit
	f.settle(s)
	return s.BlockUntil
}

// trySettle settles the items, and returns the reply.
func (f *fixture) trySettle(items ...webhook.Settlement) webhook.Settled {
	f.Helper()
	s, err := f.store.Settle(f.ctx(), f.now, items)
	f.must("Settle", err)
	if len(s.Failed) > 0 {
		f.Fatalf("Settle of items that nothing stands in the way of: failed %v", s.Failed)
	}
	slices.Sort(s.Already)
	slices.Sort(s.Lost)
	return s
}

// settleAll settles items beside other callers. It offers failed items again until none fails.
func (f *fixture) settleAll(items ...webhook.Settlement) (all webhook.Settled, err error) {
	rest := make([]int, len(items)) // indexes
	for i := range items {
		rest[i] = i
	}
	for range 10_000 {
		offered := make([]webhook.Settlement, len(rest))
		for n, i := range rest {
			offered[n] = items[i]
		}
		s, err := f.store.Settle(f.ctx(), f.now, offered)
		if err != nil {
			return all, err
		}
		for _, n := range s.Already {
			all.Already = append(all.Already, rest[n])
		}
		for _, n := range s.Lost {
			all.Lost = append(all.Lost, rest[n])
		}
		var failed []int
		for n, i := range rest {
			if s.Failed[n] != nil {
				failed, err = append(failed, i), s.Failed[n]
			}
		}
		if rest = failed; len(rest) == 0 {
			return all, nil
		}
		all.Failed = map[int]error{rest[0]: err}
	}
	return all, fmt.Errorf("items %v fail again and again: %v", rest, all.Failed)
}

// settle settles items that all take effect.
func (f *fixture) settle(items ...webhook.Settlement) webhook.Settled {
	f.Helper()
	s := f.trySettle(items...)
	if len(s.Already) > 0 || len(s.Lost) > 0 {
		f.Fatalf("Settle of current leases: got already %v, lost %v, want none", s.Already, s.Lost)
	}
	return s
}

// lose settles items that must all be lost.
func (f *fixture) lose(items ...webhook.Settlement) {
	f.Helper()
	if s := f.trySettle(items...); len(s.Lost) != len(items) || len(s.Already) != 0 {
		f.Errorf("Settle of %d leases that were lost: got already %v, lost %v", len(items), s.Already, s.Lost)
	}
}

// all reads a list to its end, in pages of q.Limit.
func all[T any](f *fixture, what string, q webhook.Query, list func(context.Context, webhook.Query) (webhook.Page[T], error)) []T {
	f.Helper()
	var items []T
	for range 1000 {
		page, err := list(f.ctx(), q)
		f.must(what, err)
		if limit := max(q.Limit, 0); len(page.Items) > limit && (limit > 0 || len(page.Items) > 100) {
			f.Fatalf("%s: a page of %d items, with Limit %d", what, len(page.Items), q.Limit)
		}
		items = append(items, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return items
		}
	}
	f.Fatalf("%s: the list has not ended after 1,000 pages", what)
	return nil
}

func (f *fixture) listEndpoints(q webhook.Query) []webhook.Endpoint {
	f.Helper()
	return all(f, "Endpoints", q, f.store.Endpoints)
}

func (f *fixture) events(q webhook.Query) []webhook.EventRecord {
	f.Helper()
	return all(f, "Events", q, f.store.Events)
}

// storedEvent returns an event as it is stored.
func (f *fixture) storedEvent(tenant, id string) webhook.EventRecord {
	f.Helper()
	list := f.events(webhook.Query{Tenant: tenant, EventID: id})
	if len(list) != 1 {
		f.Fatalf("events %s of %s: got %d, want 1", id, tenant, len(list))
	}
	return list[0]
}

func (f *fixture) deliveries(q webhook.Query) []webhook.Delivery {
	f.Helper()
	return all(f, "Deliveries", q, func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Delivery], error) {
		return f.store.Deliveries(ctx, q, f.now)
	})
}

func (f *fixture) attempts(q webhook.Query) []webhook.Attempt {
	f.Helper()
	return all(f, "Attempts", q, f.store.Attempts)
}

// stats returns the counts of deliveries. The case stats/endpoints checks those of endpoints.
func (f *fixture) stats() webhook.Stats {
	f.Helper()
	s, err := f.store.Stats(f.ctx(), f.now)
	f.must("Stats", err)
	s.Endpoints = webhook.Stats{}.Endpoints
	return s
}

// delivery returns a delivery as it is stored.
func (f *fixture) delivery(tenant, event, endpoint string) webhook.Delivery {
	f.Helper()
	list := f.deliveries(webhook.Query{Tenant: tenant, EventID: event, EndpointID: endpoint})
	if len(list) != 1 {
		f.Fatalf("deliveries of %s %s.%s: got %d, want 1", tenant, event, endpoint, len(list))
	}
	return list[0]
}

// expectState checks the state and reason of a delivery.
func (f *fixture) expectState(tenant, event, endpoint string, state webhook.DeliveryState, reason webhook.Reason) {
	f.Helper()
	if d := f.delivery(tenant, event, endpoint); d.State != state || d.Reason != reason {
		f.Errorf("delivery %s: got %s %q, want %s %q", d.ID, d.State, d.Reason, state, reason)
	}
}

// log returns the attempts of one delivery, sorted by number.
func (f *fixture) log(tenant, event, endpoint string) []webhook.Attempt {
	f.Helper()
	list := f.attempts(webhook.Query{Tenant: tenant, EventID: event, EndpointID: endpoint})
	slices.SortFunc(list, func(a, b webhook.Attempt) int { return a.Number - b.Number })
	return list
}

// expectLog checks the numbers and classes of the attempts of one delivery, for example "1
// http_status", "2 http_status late", "3".
func (f *fixture) expectLog(tenant, event, endpoint string, want ...string) {
	f.Helper()
	var got []string
	for _, a := range f.log(tenant, event, endpoint) {
		line := fmt.Sprint(a.Number)
		if a.Class != "" {
			line += " " + string(a.Class)
		}
		if a.Late {
			line += " late"
		}
		got = append(got, line)
	}
	f.ordered(fmt.Sprintf("attempts of %s.%s", event, endpoint), got, want...)
}
