package memstore

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// world does random things to a Store with tight limits, and knows the right results.
type world struct {
	t     testing.TB
	s     *Store
	rnd   *rand.Rand
	now   time.Time
	seq   uint64
	held  []webhook.Leased
	old   []webhook.Settlement // settled before, or lost
	given map[grant]bool
	done  map[grant]bool // settled
}

// A grant is a lease number of a delivery.
type grant struct {
	uid      uuid.UUID
	endpoint webhook.EndpointKey
	leaseNo  int64
}

func newWorld(tb testing.TB, seed uint64, o Options) *world {
	tb.Helper()
	t := tb
	return &world{
		t: t, s: New(o), rnd: rand.New(rand.NewPCG(seed, 0)), now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		given: map[grant]bool{}, done: map[grant]bool{},
	}
}

func pick[T any](w *world, of ...T) T { return of[w.rnd.IntN(len(of))] }

// anySpan may be negative.
func (w *world) anySpan() time.Duration {
	until := w.span()
	return until - w.span()
}

func (w *world) tenant() string   { return pick(w, "acme", "acme ", "umbrella") }
func (w *world) endpoint() string { return pick(w, "ep1", "ep2", "ep3", "ep4", "ep5", "ep6") }
func (w *world) span() time.Duration {
	return pick(w, 0, time.Second, 7*time.Second, time.Minute, 10*time.Minute)
}

func (w *world) uid() uuid.UUID {
	w.seq++
	var uid uuid.UUID
	binary.BigEndian.PutUint64(uid[:8], uint64(w.now.UnixMilli())<<16|0x7000)
	binary.BigEndian.PutUint64(uid[8:], 1<<63|w.seq)
	return uid
}

func (w *world) step() {
	ctx := w.t.Context()
	key := webhook.EndpointKey{Tenant: w.tenant(), ID: w.endpoint()}
	switch n := w.rnd.IntN(100); {
	case n < 4:
		w.replay(key)
	case n < 27:
		w.publish()
	case n < 45:
		w.claim()
	case n < 70:
		w.settle()
	case n < 78:
		err := w.s.CreateEndpoint(ctx, webhook.Endpoint{
			Tenant: key.Tenant, ID: key.ID, Events: pick(w, []string{"*"}, []string{"a.*", "a.b"}, []string{"a.*", "*", "a.*"}),
			Channel: pick(w, "", "", "web"), State: webhook.EndpointActive, Version: 1,
		}, 5)
		if err != nil && !errors.Is(err, webhook.ErrConflict) && !errors.Is(err, webhook.ErrLimit) {
			w.t.Fatal(err)
		}
	case n < 86:
		found, err := w.s.Refresh(ctx, []webhook.EndpointKey{key})
		require.NoError(w.t, err)
		for _, e := range found {
			e.State = pick(w, webhook.EndpointActive, webhook.EndpointActive, webhook.EndpointPaused, webhook.EndpointDisabled)
			e.Events = pick(w, []string{"*"}, []string{"a.*"})
			_, err := w.s.UpdateEndpoint(ctx, e)
			require.NoError(w.t, err)
		}
	case n < 88:
		err := w.s.DeleteEndpoint(ctx, key, 0, w.now)
		require.True(w.t, err == nil || errors.Is(err, webhook.ErrNotFound))
	case n < 92:
		q := webhook.Query{
			Tenant: key.Tenant, EndpointID: pick(w, "", key.ID), EventID: pick(w, "", w.eventID()), Limit: 1 + w.rnd.IntN(20),
			State: pick(w, "", webhook.DeliveryPending, webhook.DeliverySucceeded, webhook.DeliveryFailed),
		}
		_, err := pick(w, w.s.Retry, w.s.Cancel)(ctx, q, w.now)
		if err != nil && !errors.Is(err, webhook.ErrNotFound) && !errors.Is(err, webhook.ErrConflict) && !errors.Is(err, webhook.ErrInFlight) {
			w.t.Fatal(err)
		}
	case n < 95:
		_, err := w.s.Prune(ctx, w.now, webhook.Retention{
			ResponseBodies: pick(w, -1, time.Minute), Attempts: pick(w, -1, time.Hour), Events: pick(w, -1, 2*time.Hour),
		})
		require.NoError(w.t, err)
	case n == 95 && w.rnd.IntN(10) == 0:
		require.NoError(w.t, w.s.Erase(ctx, key.Tenant))
	default:
		w.now = w.now.Add(w.span())
	}
}

func (w *world) eventID() string { return fmt.Sprintf("e%d", w.rnd.IntN(200)) }

func (w *world) attempt() *webhook.Attempt {
	return &webhook.Attempt{
		StartedAt: w.now.Add(-w.span()), Class: pick(w, "", webhook.ClassStatus, webhook.ClassTimeout), Test: w.rnd.IntN(10) == 0,
		ResponseBody: make([]byte, w.rnd.IntN(400)), Error: strings.Repeat("x", w.rnd.IntN(400)),
	}
}

func (w *world) publish() {
	req := webhook.PublishRequest{Now: w.now, LeaseUntil: w.now.Add(time.Minute), Atomic: w.rnd.IntN(3) == 0}
	for range 1 + w.rnd.IntN(3) {
		r := webhook.EventRecord{
			UID: w.uid(), Tenant: w.tenant(), ID: w.eventID(), Type: pick(w, "a.b", "a.b", "c"), Channel: pick(w, "", "", "web"),
			Data: make([]byte, w.rnd.IntN(300)), CreatedAt: w.now, Keep: w.rnd.IntN(2) == 0, NotBefore: pick(w, time.Time{}, w.now.Add(w.span())),
		}
		if w.rnd.IntN(4) > 0 {
			r.Deliveries = make([]webhook.NewDelivery, 0, 4)
			for range w.rnd.IntN(4) {
				row := webhook.NewDelivery{EndpointID: w.endpoint(), Version: 1 + w.rnd.Int64N(3), DueAt: w.now.Add(w.anySpan())}
				switch w.rnd.IntN(4) {
				case 0:
					row.Leased = true
				case 1:
					row.State, row.Attempt = webhook.DeliverySucceeded, pick(w, nil, w.attempt())
				}
				if !slices.ContainsFunc(r.Deliveries, func(d webhook.NewDelivery) bool { return d.EndpointID == row.EndpointID }) {
					r.Deliveries = append(r.Deliveries, row)
				}
			}
		}
		req.Events = append(req.Events, r)
	}
	before := len(w.s.events)
	results, err := w.s.Publish(w.t.Context(), req)
	require.NoError(w.t, err)
	require.Len(w.t, results, len(req.Events))
	for i, r := range results {
		if r.Err != nil && req.Atomic {
			require.Len(w.t, w.s.events, before, "nothing is stored, and nothing was dropped for it")
			return
		}
		if r.Err != nil || r.Duplicate {
			continue
		}
		e := &req.Events[i]
		for _, d := range e.Deliveries {
			if d.Leased {
				w.grant(webhook.Leased{UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: e.Tenant, ID: d.EndpointID}, LeaseNo: 1})
			}
		}
	}
}

func (w *world) grant(l webhook.Leased) {
	g := grant{l.UID, l.Endpoint, l.LeaseNo}
	require.False(w.t, w.given[g], "a lease number is handed out twice")
	w.given[g] = true
	w.held = append(w.held, l)
}

// claim goes one whole round, and compares the leased deliveries with the due ones.
func (w *world) claim() {
	ctx := w.t.Context()
	for made := -1; made != w.s.pending; { // a call may drop an event without endpoints, which makes room for the next call
		made = w.s.pending
		_, err := w.s.Claim(ctx, webhook.ClaimRequest{Now: w.now, LeaseUntil: w.now.Add(time.Minute)}) // makes deliveries
		require.NoError(w.t, err)
	}
	type id struct {
		uid      uuid.UUID
		endpoint webhook.EndpointKey
	}
	due, probes := map[id]bool{}, map[webhook.EndpointKey]int{}
	for _, ev := range w.s.events {
		for _, d := range ev.deliveries {
			e := d.endpoint
			if d.state != webhook.DeliveryPending || d.dueFrom() > micros(w.now) || e.isOff() || e.Health.BlockedUntil.After(w.now) {
				continue
			}
			if e.Health.Circuit {
				probes[e.key()] = 1
			} else {
				due[id{ev.UID, e.key()}] = true
			}
		}
	}
	req := webhook.ClaimRequest{
		Now: w.now, LeaseUntil: w.now.Add(time.Minute), Max: 1 + w.rnd.IntN(4), MaxBytes: 500, Room: 1000,
		Rooms: map[webhook.EndpointKey]int{{Tenant: "acme", ID: "ep2"}: w.rnd.IntN(2)},
	}
	for {
		c, err := w.s.Claim(ctx, req)
		require.NoError(w.t, err)
		require.LessOrEqual(w.t, len(c.Deliveries), req.Max)
		w.checkReply(&c, req.MaxBytes)
		for _, l := range c.Deliveries {
			w.grant(l)
			if l.Probe {
				probes[l.Endpoint]--
			} else {
				require.True(w.t, due[id{l.UID, l.Endpoint}], "it is not due")
				delete(due, id{l.UID, l.Endpoint})
			}
		}
		if req.Cursor = c.Next; c.Next == "" {
			break
		}
	}
	// One round leaves the deliveries without room, in the endpoint or in the calls.
	require.NotContains(w.t, probes, -1)
	if w.rnd.IntN(2) == 0 {
		return
	}
	for req.Rooms = nil; ; {
		req.Max, req.Cursor = 1000, ""
		req.MaxBytes = 1 << 30
		c, err := w.s.Claim(ctx, req)
		require.NoError(w.t, err)
		require.Empty(w.t, c.Next)
		for _, l := range c.Deliveries {
			w.grant(l)
			if l.Probe {
				probes[l.Endpoint]--
			}
			delete(due, id{l.UID, l.Endpoint})
		}
		if len(c.Deliveries) == 0 {
			break
		}
	}
	require.Empty(w.t, due, "it is due and not leased")
	for key, n := range probes {
		require.Zero(w.t, n, "%v was not probed, or twice", key)
	}
}

func (w *world) checkReply(c *webhook.Claimed, maxBytes int) {
	events, endpoints, snapshots := map[uuid.UUID]int{}, map[webhook.EndpointKey]int64{}, map[string]bool{}
	size := 0
	for _, e := range c.Events {
		require.NotContains(w.t, events, e.UID)
		events[e.UID] = 0
		size += len(e.Data)
	}
	require.True(w.t, size <= maxBytes || len(c.Events) == 1 || size-len(c.Events[0].Data) <= maxBytes)
	for _, e := range c.Endpoints {
		require.NotContains(w.t, endpoints, webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID})
		endpoints[webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID}] = e.Version
	}
	for _, e := range c.Snapshots {
		k := fmt.Sprintf("%q %q %d", e.Tenant, e.ID, e.Version)
		require.NotContains(w.t, snapshots, k)
		snapshots[k] = true
	}
	for _, l := range c.Deliveries {
		require.Contains(w.t, events, l.UID)
		events[l.UID]++
		version, listed := endpoints[l.Endpoint]
		require.True(w.t, listed)
		if k := fmt.Sprintf("%q %q %d", l.Endpoint.Tenant, l.Endpoint.ID, l.Version); version != l.Version {
			require.True(w.t, snapshots[k], "no snapshot of version %d", l.Version)
		}
	}
	for _, n := range events {
		require.Positive(w.t, n)
	}
}

// settle settles some of the leases that are held, and some that have been settled or lost.
func (w *world) settle() {
	var items []webhook.Settlement
	for range w.rnd.IntN(6) {
		if len(w.held) == 0 {
			break
		}
		i := w.rnd.IntN(len(w.held))
		l := w.held[i]
		w.held = slices.Delete(w.held, i, i+1)
		item := webhook.Settlement{
			UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, Attempt: pick(w, nil, w.attempt()), DueAt: w.now.Add(w.anySpan()),
			State: pick(w, webhook.DeliveryPending, webhook.DeliverySucceeded, webhook.DeliveryFailed), Failures: w.rnd.IntN(5),
		}
		if e := w.s.live(l.Endpoint); e != nil {
			item.Version = e.Version - int64(w.rnd.IntN(10)/9) // some requests were made before the last update
		}
		if w.rnd.IntN(10) == 0 {
			item.BlockUntil, item.OpenCircuit = w.now.Add(w.span()), w.rnd.IntN(2) == 0
		}
		if w.rnd.IntN(30) == 0 {
			item.Disable = webhook.ReasonGone
		}
		items = append(items, item)
	}
	fresh := len(items)
	for range w.rnd.IntN(3) {
		if len(w.old) > 0 {
			items = append(items, pick(w, w.old...))
		}
	}
	type want struct{ effect, settled bool }
	wants := make([]want, len(items))
	for i := range items {
		d := w.s.delivery(&items[i])
		g := grant{items[i].UID, items[i].Endpoint, items[i].LeaseNo}
		wants[i] = want{d != nil && d.leased && d.leaseNo == items[i].LeaseNo, w.done[g]}
	}
	got, err := w.s.Settle(w.t.Context(), w.now, items)
	require.NoError(w.t, err)
	for i := range items {
		g := grant{items[i].UID, items[i].Endpoint, items[i].LeaseNo}
		already, lost := slices.Contains(got.Already, i), slices.Contains(got.Lost, i)
		require.False(w.t, already && lost)
		twice := slices.ContainsFunc(items[:i], func(o webhook.Settlement) bool {
			return o.UID == g.uid && o.Endpoint == g.endpoint && o.LeaseNo == g.leaseNo
		})
		if !twice && i < fresh {
			// A delivery may be dropped, for want of bytes, by an item before.
			require.True(w.t, !wants[i].effect || !already)
			require.True(w.t, wants[i].effect || already || lost)
		}
		if already {
			require.True(w.t, w.done[g], "it was never settled")
		}
		if !already && !lost {
			require.False(w.t, w.done[g], "a lease is settled twice")
			w.done[g] = true
		}
	}
	w.old = append(w.old, items...)
	w.old = w.old[max(0, len(w.old)-20):]
}

// compare compares lists and counts with the stored rows.
func (w *world) compare() {
	ctx := w.t.Context()
	var all []*delivery
	for _, ev := range w.s.events {
		all = append(all, ev.deliveries...)
	}
	slices.SortFunc(all, func(a, b *delivery) int {
		return cmp.Or(b.event.key.compare(a.event.key), strings.Compare(a.endpoint.ID, b.endpoint.ID))
	})
	for _, q := range []webhook.Query{
		{AllTenants: true},
		{Tenant: w.tenant()},
		{Tenant: w.tenant(), EndpointID: w.endpoint()},
		{Tenant: w.tenant(), EventID: w.eventID()},
		{AllTenants: true, EventID: w.eventID()},
		{AllTenants: true, EndpointID: w.endpoint(), State: webhook.DeliveryPending},
		{Tenant: w.tenant(), Type: "c", State: webhook.DeliverySucceeded, From: w.now.Add(-w.span()), To: w.now.Add(-w.span())},
		{Tenant: w.tenant(), EndpointID: w.endpoint(), From: w.now.Add(-2 * w.span()), To: w.now.Add(-w.span())},
	} {
		q.Limit = 1 + w.rnd.IntN(10)
		var want, got []string
		for _, d := range all {
			if (q.Tenant == "" || d.event.Tenant == q.Tenant) && (q.EventID == "" || d.event.ID == q.EventID) &&
				(q.EndpointID == "" || d.endpoint.ID == q.EndpointID) && (q.State == "" || d.state == q.State) && d.event.matches(&q) {
				want = append(want, d.event.Tenant+"/"+d.event.ID+"."+d.endpoint.ID)
			}
		}
		for pages := 0; ; pages++ {
			page, err := w.s.Deliveries(ctx, q, w.now)
			require.NoError(w.t, err)
			require.LessOrEqual(w.t, len(page.Items), q.Limit)
			for _, d := range page.Items {
				got = append(got, d.Tenant+"/"+d.ID)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
			require.Less(w.t, pages, 1000)
		}
		require.Equal(w.t, want, got, "%+v", q)
	}

	stats, err := w.s.Stats(ctx, w.now)
	require.NoError(w.t, err)
	stats.Endpoints = webhook.Stats{}.Endpoints // a case of storetest counts them
	var want webhook.Stats
	at := micros(w.now)
	for _, ev := range w.s.events {
		if ev.unmade {
			want.Outbox++
		}
		for _, d := range ev.deliveries {
			if d.state != webhook.DeliveryPending {
				continue
			}
			want.Pending++
			switch {
			case d.inFlight(at):
				want.InFlight++
			case d.due > at:
				want.Waiting++
			case d.endpoint.isOff() || d.endpoint.Health.BlockedUntil.After(w.now):
				want.Held++
			default:
				want.Due++
				if due := fromMicros(d.due); want.OldestAt.IsZero() || due.Before(want.OldestAt) {
					want.OldestAt = due
				}
			}
		}
	}
	require.Equal(w.t, want, stats)
}

func TestWhateverIsDoneTheStoreAgreesWithItselfAndItsLimits(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{MaxPending: 40, MaxFinished: 20, MaxBytes: 16 << 10},
		{MaxPending: 3, MaxFinished: 4, MaxBytes: 4 << 10},
		{MaxPending: 1, MaxFinished: 1, MaxBytes: 600},
		{},
	} {
		t.Run(fmt.Sprintf("%d-%d-%d", o.MaxPending, o.MaxFinished, o.MaxBytes), func(t *testing.T) {
			t.Parallel()
			seeds := uint64(6)
			if testing.Short() {
				seeds = 2
			}
			for seed := range seeds {
				w := newWorld(t, seed, o)
				for i := range 400 {
					w.step()
					recount(t, w.s)
					if i%20 == 0 {
						w.compare()
					}
				}
				for _, tenant := range []string{"acme", "acme ", "umbrella"} {
					require.NoError(t, w.s.Erase(t.Context(), tenant))
				}
				recount(t, w.s)
				require.Empty(t, w.s.tenants)
				require.Empty(t, w.s.endpoints)
				require.Empty(t, w.s.subs)
			}
		})
	}
}
