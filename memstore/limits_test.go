package memstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

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

func TestAnAtomicRequestIsComparedWithItselfToo(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxPending: 1})
	first, same, other := tr.named("e1", leased("a")...), tr.named("e1", leased("a")...), tr.named("e1", leased("a")...)
	other.Type = "member.left"
	req := webhook.PublishRequest{Now: start, Atomic: true, Events: []webhook.EventRecord{first, other}}
	got, err := tr.Publish(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, webhook.ErrConflict, got[1].Err)
	assert.Empty(t, tr.kept())

	req.Events = []webhook.EventRecord{first, same} // a duplicate needs no room
	got, err = tr.Publish(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, []webhook.Published{{Deliveries: 1}, {Duplicate: true}}, got)
}

func TestAUIDIsStoredOnce(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	e1, e2 := tr.named("e1"), tr.named("e2")
	e2.UID = e1.UID
	assert.Equal(t, []webhook.Published{{}, {Err: webhook.ErrConflict}}, tr.publish(e1, e2))
	assert.Equal(t, []string{"e1"}, tr.kept())
}

func TestRowsOfAnEventComeInAnyOrderAndCountOnce(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	e := tr.named("e1", leased("b", "a", "b", "c", "a")...)
	assert.Equal(t, []webhook.Published{{Deliveries: 3}}, tr.publish(e))
	for _, id := range []string{"a", "b", "c"} {
		tr.succeed(e, id)
	}
	assert.Equal(t, "b", e.Deliveries[0].EndpointID, "the request is not changed")
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
	require.NoError(t, tr.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: id}, 0, start))
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
	assert.Equal(t, webhook.BulkResult{Changed: 1}, done)
	tr.refused(tr.named("e3", leased(id)...))
	tr.succeed(e2, id)
	tr.refused(tr.named("e3", leased(id)...))
	l := tr.round()
	require.Len(t, l, 1)
	tr.settle(e1, id, l[0].LeaseNo, webhook.DeliverySucceeded, nil)
	tr.stored(tr.named("e3", leased(id)...))
}

func TestRetriesByHandTakeTheRoomOfWhatIsFinished(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxPending: 1, MaxFinished: 2})
	names := tr.endpoints(2)
	for i := range 2 { // two of which one may be pending
		e := tr.named(fmt.Sprint("e", i), leased(names[0])...)
		tr.stored(e)
		tr.settle(e, names[0], 1, webhook.DeliveryFailed, nil)
	}
	_, err := tr.Retry(t.Context(), webhook.Query{Tenant: "acme"}, tr.now)
	require.NoError(t, err)
	tr.stored(tr.named("f1"))
	assert.Equal(t, []string{"e0", "e1", "f1"}, tr.kept())
	tr.stored(tr.named("f2"))
	assert.Equal(t, []string{"e0", "e1", "f2"}, tr.kept(), "three are all there is room for")
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
			stats.Endpoints = webhook.Stats{}.Endpoints
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
