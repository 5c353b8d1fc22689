package memstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// A trial is a Store on which single steps are tried out.
type trial struct {
	*memstore.Store
	maker
	t *testing.T
}

func newTrial(t *testing.T, o memstore.Options) *trial {
	return &trial{Store: memstore.New(o), maker: maker{now: start}, t: t}
}

// named makes an event with an id.
func (tr *trial) named(id string, rows ...webhook.NewDelivery) webhook.EventRecord {
	e := tr.event("acme", rows...)
	e.ID, e.NewID = id, false
	if rows == nil {
		e.Deliveries = []webhook.NewDelivery{}
	}
	return e
}

func (tr *trial) outbox(id string) webhook.EventRecord {
	e := tr.named(id)
	e.Deliveries = nil
	return e
}

func leased(endpoints ...string) []webhook.NewDelivery {
	var rows []webhook.NewDelivery
	for _, id := range endpoints {
		rows = append(rows, webhook.NewDelivery{EndpointID: id, Version: 1, Leased: true})
	}
	return rows
}

func (tr *trial) publish(events ...webhook.EventRecord) []webhook.Published {
	tr.t.Helper()
	results, err := tr.Publish(tr.t.Context(), webhook.PublishRequest{Now: tr.now, LeaseUntil: tr.now.Add(time.Minute), Events: events})
	require.NoError(tr.t, err)
	return results
}

// stored publishes events that must be stored.
func (tr *trial) stored(events ...webhook.EventRecord) {
	tr.t.Helper()
	for i, r := range tr.publish(events...) {
		require.NoError(tr.t, r.Err, events[i].ID)
		require.False(tr.t, r.Duplicate)
	}
}

// refused publishes an event that must not be stored, for want of room.
func (tr *trial) refused(e webhook.EventRecord) {
	tr.t.Helper()
	require.Equal(tr.t, []webhook.Published{{Err: webhook.ErrFull}}, tr.publish(e))
	require.NotContains(tr.t, tr.kept(), e.ID)
}

func (tr *trial) settle(e webhook.EventRecord, endpoint string, leaseNo int64, state webhook.DeliveryState, a *webhook.Attempt) {
	tr.t.Helper()
	s, err := tr.Settle(tr.t.Context(), tr.now, []webhook.Settlement{{
		UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: e.Tenant, ID: endpoint}, LeaseNo: leaseNo, State: state, DueAt: tr.now, Attempt: a,
	}})
	require.NoError(tr.t, err)
	require.Empty(tr.t, s.Lost)
	require.Empty(tr.t, s.Already)
}

func (tr *trial) succeed(e webhook.EventRecord, endpoint string) {
	tr.t.Helper()
	tr.settle(e, endpoint, 1, webhook.DeliverySucceeded, nil)
}

// kept returns the ids of the events that are stored, the oldest first.
func (tr *trial) kept() []string {
	tr.t.Helper()
	var ids []string
	for q := (webhook.Query{AllTenants: true, Limit: 1000}); ; {
		page, err := tr.Events(tr.t.Context(), q)
		require.NoError(tr.t, err)
		for _, e := range page.Items {
			ids = append(ids, e.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			slices.Reverse(ids)
			return ids
		}
	}
}

func (tr *trial) log(q webhook.Query) []webhook.Attempt {
	tr.t.Helper()
	q.Tenant, q.Limit = "acme", 1000
	page, err := tr.Attempts(tr.t.Context(), q)
	require.NoError(tr.t, err)
	return page.Items
}

// round claims whatever is due.
func (tr *trial) round() []webhook.Leased {
	tr.t.Helper()
	var all []webhook.Leased
	req := webhook.ClaimRequest{Now: tr.now, LeaseUntil: tr.now.Add(time.Minute), Max: 100, MaxBytes: 1 << 30, Room: 1 << 30}
	for {
		c, err := tr.Claim(tr.t.Context(), req)
		require.NoError(tr.t, err)
		all = append(all, c.Deliveries...)
		if req.Cursor = c.Next; req.Cursor == "" {
			return all
		}
	}
}

func (tr *trial) endpoints(n int) []string {
	tr.t.Helper()
	return create(tr.t, tr.Store, "acme", n)
}

func TestEventsAreRefusedThatWouldMakeTooManyPending(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxPending: 3})
	e1 := tr.named("e1", leased("a", "b")...)
	tr.stored(e1)
	tr.refused(tr.named("two-more", leased("a", "b")...))
	tr.stored(tr.named("e2", leased("a")...)) // exactly as many as there may be
	tr.refused(tr.named("one-more", leased("a")...))
	tr.refused(tr.outbox("one-more"))
	tr.stored(
		tr.named("none"),
		tr.named("test", webhook.NewDelivery{EndpointID: "a", State: webhook.DeliverySucceeded}),
	)
	assert.Equal(t, []webhook.Published{{Duplicate: true}}, tr.publish(tr.named("e1", leased("a", "b")...)))
	tr.succeed(e1, "a")
	tr.stored(tr.outbox("e3"))
	tr.refused(tr.named("one-more", leased("a")...))
}

func TestFullIsTheResultOfOneEvent(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxPending: 2})
	events := []webhook.EventRecord{
		tr.named("e1", leased("a")...), tr.named("e2", leased("a", "b")...), tr.named("e3", leased("b")...), tr.named("e4", leased("b")...),
	}
	assert.Equal(t, []webhook.Published{{Deliveries: 1}, {Err: webhook.ErrFull}, {Deliveries: 1}, {Err: webhook.ErrFull}}, tr.publish(events...))
	assert.Equal(t, []string{"e1", "e3"}, tr.kept())
}

func TestAnAtomicRequestIsStoredOnlyIfThereIsRoomForAll(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxPending: 2, MaxFinished: 2})
	tr.stored(tr.named("old1"), tr.named("old2"))
	req := webhook.PublishRequest{Now: start, Atomic: true, Events: []webhook.EventRecord{
		tr.named("e1", leased("a")...), tr.named("e2", leased("a")...), tr.outbox("e3"),
	}}
	got, err := tr.Publish(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, webhook.ErrFull, got[2].Err)
	assert.Equal(t, []string{"old1", "old2"}, tr.kept())

	req.Events = req.Events[:2]
	got, err = tr.Publish(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, []webhook.Published{{Deliveries: 1}, {Deliveries: 1}}, got)
	assert.Equal(t, []string{"old1", "old2", "e1", "e2"}, tr.kept())
}

func TestThoseFinishedEventsAreDroppedThatFinishedFirst(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxFinished: 3})
	var events []webhook.EventRecord
	for i := range 5 {
		events = append(events, tr.named(fmt.Sprint("e", i), leased("a")...))
	}
	tr.stored(events...)
	for _, i := range []int{3, 1, 4} {
		tr.succeed(events[i], "a")
	}
	assert.Equal(t, []string{"e0", "e1", "e2", "e3", "e4"}, tr.kept(), "as many as may be kept")
	tr.succeed(events[0], "a")
	assert.Equal(t, []string{"e0", "e1", "e2", "e4"}, tr.kept())
	tr.succeed(events[2], "a")
	assert.Equal(t, []string{"e0", "e2", "e4"}, tr.kept())
}

func TestFinishedEventsAreDroppedWhole(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxFinished: 3})
	e1, e2 := tr.named("e1", leased("a", "b")...), tr.named("e2", leased("a", "b")...)
	tr.stored(e1, e2)
	tr.succeed(e1, "a")
	tr.succeed(e1, "b")
	tr.succeed(e2, "a")
	assert.Equal(t, []string{"e1", "e2"}, tr.kept())
	tr.succeed(e2, "b") // a fourth
	assert.Equal(t, []string{"e2"}, tr.kept())
	page, err := tr.Deliveries(t.Context(), webhook.Query{AllTenants: true}, tr.now)
	require.NoError(t, err)
	assert.Len(t, page.Items, 2)
}

func TestAnEventWithAnUnfinishedDeliveryIsNotDropped(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxFinished: 1, MaxPending: 10})
	e1 := tr.named("e1", leased("a", "b", "c", "d")...)
	tr.stored(e1)
	for _, id := range []string{"a", "b", "c"} {
		tr.succeed(e1, id)
	}
	tr.stored(tr.named("e2"))
	assert.Equal(t, []string{"e1"}, tr.kept(), "there are too many already")
	tr.succeed(e1, "d")
	assert.Empty(t, tr.kept())
}

func TestAnEventWithoutDeliveriesCountsAsFinished(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxFinished: 2})
	tr.stored(tr.named("e1"), tr.named("e2"))
	assert.Equal(t, []string{"e1", "e2"}, tr.kept())
	tr.stored(tr.named("e3"))
	assert.Equal(t, []string{"e2", "e3"}, tr.kept())
	keep := tr.outbox("e4") // nobody receives it
	keep.Keep = true
	tr.stored(keep)
	tr.round()
	assert.Equal(t, []string{"e3", "e4"}, tr.kept())
}

func TestAnEventThatWasDroppedLeavesNoIDBehind(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxFinished: 1})
	tr.stored(tr.named("e1"), tr.named("e2"))
	other := tr.named("e1")
	other.Type = "member.left"
	tr.stored(other)
}

func TestAnEndpointIDIsFreeWhenItsLastDeliveryIsDropped(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxFinished: 1})
	id := tr.endpoints(1)[0]
	e1 := tr.named("e1", leased(id)...)
	tr.stored(e1)
	require.NoError(t, tr.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: id}, start))
	tr.succeed(e1, id)
	require.ErrorIs(t, tr.CreateEndpoint(t.Context(), endpoint("acme", id), 0), webhook.ErrConflict)
	tr.stored(tr.named("e2"))
	require.NoError(t, tr.CreateEndpoint(t.Context(), endpoint("acme", id), 0))
}

func TestFinishedDeliveriesOfUnfinishedEventsAreBoundedToo(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxPending: 10, MaxFinished: 5})
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	first := tr.named("e1", leased(ids...)...)
	tr.stored(first)
	for _, id := range ids[1:] {
		tr.succeed(first, id)
	}
	tr.refused(tr.named("six", leased(ids[:6]...)...)) // one and nine are there, and fifteen may be
	tr.stored(tr.named("five", leased(ids[:5]...)...))
	tr.refused(tr.named("none"))
	tr.succeed(first, "a")
	tr.stored(tr.named("three", leased(ids[:3]...)...))
}

func TestARetryByHandMayGoBeyondThePending(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxPending: 1})
	id := tr.endpoints(1)[0]
	e1, e2 := tr.named("e1", leased(id)...), tr.named("e2", leased(id)...)
	tr.stored(e1)
	tr.settle(e1, id, 1, webhook.DeliveryFailed, nil)
	tr.stored(e2)
	done, err := tr.Retry(t.Context(), webhook.Query{Tenant: "acme"}, tr.now)
	require.NoError(t, err)
	assert.Equal(t, webhook.Recovered{Changed: 1}, done)
	tr.refused(tr.named("e3", leased(id)...))
	tr.succeed(e2, id)
	tr.refused(tr.named("e3", leased(id)...))
	l := tr.round()
	require.Len(t, l, 1)
	tr.settle(e1, id, l[0].LeaseNo, webhook.DeliverySucceeded, nil)
	tr.stored(tr.named("e3", leased(id)...))
}

func TestDeliveriesAreMadeFromTheOutboxAsThereIsRoom(t *testing.T) {
	for _, limit := range []int{1, 3, 7, 8, 100} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			tr := newTrial(t, memstore.Options{MaxPending: limit})
			ids := tr.endpoints(7)
			e := tr.outbox("e1")
			tr.stored(e)
			var got []string
			for range 8 {
				leases := tr.round()
				require.LessOrEqual(t, len(leases), limit)
				stats, err := tr.Stats(t.Context(), tr.now)
				require.NoError(t, err)
				require.LessOrEqual(t, stats.Pending, limit)
				for _, l := range leases {
					got = append(got, l.Endpoint.ID)
					tr.settle(e, l.Endpoint.ID, 1, webhook.DeliverySucceeded, nil)
				}
			}
			assert.Equal(t, ids, slices.Sorted(slices.Values(got)), "each endpoint once, however little room there is")
			stats, err := tr.Stats(t.Context(), tr.now)
			require.NoError(t, err)
			assert.Equal(t, webhook.Stats{}, stats)
			assert.Equal(t, []string{"e1"}, tr.kept())
		})
	}
}

func TestAnOutboxWithoutRoomDoesNotKeepTheClaimerBusy(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxPending: 2})
	ids := tr.endpoints(3)
	tr.stored(tr.named("e1", leased(ids[0])...), tr.outbox("e2"))
	tr.round() // makes the first delivery of e2
	c, err := tr.Claim(t.Context(), claimRequest(tr.now, 10))
	require.NoError(t, err)
	assert.Empty(t, c.Deliveries)
	assert.Empty(t, c.Next)
	assert.True(t, c.NextDue.After(tr.now), "%v", c.NextDue)
}

func sized(e webhook.EventRecord, n int) webhook.EventRecord {
	e.Data = []byte(strings.Repeat("x", n-len(e.Tenant)-len(e.ID)-len(e.Type)))
	return e
}

func TestFinishedEventsMakeRoomForBytes(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxBytes: 3000})
	tr.stored(sized(tr.named("e1"), 1000), sized(tr.named("e2"), 1000), sized(tr.named("e3", leased("a")...), 1000))
	assert.Equal(t, []string{"e1", "e2", "e3"}, tr.kept(), "exactly as much as there may be")
	tr.refused(sized(tr.named("large", leased("a")...), 2001))
	assert.Equal(t, []string{"e1", "e2", "e3"}, tr.kept(), "nothing is dropped for an event that is refused all the same")
	tr.stored(sized(tr.named("e4", leased("a")...), 1000))
	assert.Equal(t, []string{"e2", "e3", "e4"}, tr.kept())
	tr.stored(sized(tr.named("e5", leased("a")...), 1000))
	tr.refused(tr.named("e6", leased("a")...))
	tr.refused(tr.outbox("e6"))
	assert.Equal(t, []string{"e3", "e4", "e5"}, tr.kept())
}

func TestHeadersAndTestAttemptsCountAsBytes(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxBytes: 3000})
	e := tr.named("e1")
	e.Header = map[string]string{"A": strings.Repeat("x", 3000)}
	tr.refused(e)
	e.Header = nil
	row := webhook.NewDelivery{EndpointID: "a", State: webhook.DeliverySucceeded, Attempt: &webhook.Attempt{ResponseBody: make([]byte, 3000)}}
	e.Deliveries = []webhook.NewDelivery{row}
	tr.refused(e)
	row.Attempt.ResponseBody = make([]byte, 2000)
	tr.stored(e)
}

func TestWhenBytesAreShortAnAttemptIsLoggedWithoutItsBody(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxBytes: 3000})
	e1 := sized(tr.named("e1", leased("a", "b")...), 1000)
	tr.stored(e1, sized(tr.named("old1"), 600), sized(tr.named("old2"), 600))

	tr.settle(e1, "a", 1, webhook.DeliverySucceeded, &webhook.Attempt{StartedAt: start, Status: 200, ResponseBody: make([]byte, 1000)})
	assert.Equal(t, []string{"e1", "old2"}, tr.kept(), "a finished event makes room for the body")
	assert.Len(t, tr.log(webhook.Query{EventID: "e1"})[0].ResponseBody, 1000)

	tr.settle(e1, "b", 1, webhook.DeliveryFailed, &webhook.Attempt{
		StartedAt: start.Add(time.Second), Status: 500, Class: webhook.ClassStatus, Error: "500 Internal Server Error", ResponseBody: make([]byte, 1000),
	})
	got := tr.log(webhook.Query{EventID: "e1"})
	require.Len(t, got, 2)
	assert.Empty(t, got[0].ResponseBody)
	assert.True(t, got[0].Truncated, "there was more")
	got[0].Truncated, got[0].ResponseBody = false, nil
	assert.Equal(t, webhook.Attempt{
		Tenant: "acme", EventID: "e1", EventType: "member.joined", EndpointID: "b", Number: 1, StartedAt: start.Add(time.Second),
		Status: 500, Class: webhook.ClassStatus, Error: "500 Internal Server Error",
	}, got[0])
}

func TestAttemptsOfADeliveryThatIsRetriedForEverAreBounded(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxBytes: 10_000, MaxPending: 2})
	ids := tr.endpoints(2)
	e := sized(tr.named("e1", leased(ids...)...), 1000)
	tr.stored(e)
	fail := func(id string, n int64) {
		tr.settle(e, id, n, webhook.DeliveryPending, &webhook.Attempt{
			StartedAt: tr.now, Class: webhook.ClassStatus, Error: strings.Repeat("é", 1000), ResponseBody: make([]byte, 500),
		})
	}
	for n := range int64(200) {
		fail(ids[0], n+1)
		if n == 0 {
			fail(ids[1], 1)
		}
		tr.now = tr.now.Add(time.Second)
		for _, l := range tr.round() {
			if l.Endpoint.ID == ids[0] {
				require.Equal(t, int(n)+1, l.Attempts, "those that are not kept are counted")
			}
		}
	}
	kept := tr.log(webhook.Query{EventID: "e1", EndpointID: ids[0]})
	size := 0
	for i, a := range kept {
		assert.Equal(t, 200-i, a.Number, "the latest are kept, and a number is never used again")
		size += len(a.Error) + len(a.ResponseBody)
	}
	assert.NotEmpty(t, kept)
	assert.LessOrEqual(t, size, 10_000)
	assert.Len(t, tr.log(webhook.Query{EventID: "e1", EndpointID: ids[1]}), 1, "those of another delivery stay")
}

func TestTheZeroAndNegativeOptionsMeanTheDefaults(t *testing.T) {
	for _, o := range []memstore.Options{{}, {MaxPending: -1, MaxFinished: -1, MaxBytes: -1}} {
		tr := newTrial(t, o)
		var rows []webhook.NewDelivery
		for i := range 100_000 {
			rows = append(rows, webhook.NewDelivery{EndpointID: fmt.Sprintf("%06d", i), Leased: true})
		}
		tr.stored(tr.named("e1", rows...))
		tr.refused(tr.named("e2", leased("a")...))
		large := tr.named("large")
		large.Data = make([]byte, 256<<20)
		tr.refused(large)
	}
}
