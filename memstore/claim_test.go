package memstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

func dueAt(due time.Time, endpoints ...string) []webhook.NewDelivery {
	var rows []webhook.NewDelivery
	for _, id := range endpoints {
		rows = append(rows, webhook.NewDelivery{EndpointID: id, Version: 1, DueAt: due})
	}
	return rows
}

func ids(leases []webhook.Leased) []string {
	var list []string
	for _, l := range leases {
		list = append(list, l.Endpoint.ID)
	}
	return list
}

func TestARoundBeginsWhereTheLastOneEnded(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(4)
	for i := range 10 {
		tr.stored(tr.named(fmt.Sprint(i), dueAt(start, names...)...))
	}
	var got []string
	for range 12 { // none of these goes on with a round
		c, err := tr.Claim(t.Context(), claimRequest(start, 1))
		require.NoError(t, err)
		require.NotEmpty(t, c.Next)
		got = append(got, ids(c.Deliveries)...)
	}
	assert.Equal(t, slices.Concat(names, names, names), got)
}

func TestARoundVisitsEachEndpointOnce(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(5)
	for i := range 10 {
		tr.stored(tr.named(fmt.Sprint(i), dueAt(start, names...)...))
	}
	req := claimRequest(start, 3)
	req.Room = 2
	var got []string
	for calls := 1; ; calls++ {
		c, err := tr.Claim(t.Context(), req)
		require.NoError(t, err)
		got = append(got, ids(c.Deliveries)...)
		if req.Cursor = c.Next; req.Cursor == "" {
			break
		}
		require.Less(t, calls, 5)
	}
	// The last place of a call may be too little for an endpoint; it has its turn all the same.
	assert.Equal(t, []string{names[0], names[0], names[1], names[2], names[2], names[3], names[4], names[4]}, got)
}

func TestTwoCallersShareARound(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(10)
	tr.stored(tr.named("e1", dueAt(start, names...)...))
	var got []string
	reqs := []webhook.ClaimRequest{claimRequest(start, 2), claimRequest(start, 2)}
	for open := true; open; {
		open = false
		for i := range reqs {
			c, err := tr.Claim(t.Context(), reqs[i])
			require.NoError(t, err)
			got = append(got, ids(c.Deliveries)...)
			reqs[i].Cursor = c.Next
			open = open || c.Next != ""
		}
	}
	assert.Equal(t, names, got)
}

func TestARoundEndsWhenAllThatWokeUpWasVisited(t *testing.T) {
	const n = 5000
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(n)
	later := start.Add(time.Hour)
	for _, id := range names {
		tr.stored(tr.named(id, dueAt(later, id)...))
	}
	assert.Empty(t, tr.round())
	tr.now = later
	assert.Len(t, tr.round(), n)

	tr.now = later.Add(time.Minute + 5*time.Second - time.Microsecond)
	assert.Empty(t, tr.round())
	tr.now = tr.now.Add(time.Microsecond)
	assert.Len(t, tr.round(), n, "leases that have ended wake up too")
}

func TestARoundEndsWhenAllBlocksThatHaveEndedWereVisited(t *testing.T) {
	const n = 3000
	tr := newTrial(t, memstore.Options{})
	for i := range n {
		e := endpoint("acme", fmt.Sprint(i))
		e.Health.BlockedUntil = start.Add(time.Hour)
		require.NoError(t, tr.CreateEndpoint(t.Context(), e, 0))
		tr.stored(tr.named(e.ID, dueAt(start, e.ID)...))
	}
	assert.Empty(t, tr.round())
	tr.now = start.Add(time.Hour)
	assert.Len(t, tr.round(), n)
}

func TestARoundEndsWhenAllDeliveriesWereMade(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(2500)
	tr.stored(tr.outbox("e1"), tr.outbox("e2"))
	none := tr.outbox("none")
	none.Type, none.Tenant = "x", "umbrella"
	tr.stored(none)
	got := ids(tr.round())
	assert.Equal(t, slices.Sorted(slices.Values(slices.Concat(names, names))), slices.Sorted(slices.Values(got)))
	assert.Equal(t, []string{"e1", "e2"}, tr.kept())
}

func TestOneCallDoesABoundedPartOfTheWork(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(5000)
	tr.stored(tr.outbox("e1"))
	req := claimRequest(start, 0)
	for want := 1023; want < 5000; want += 1023 {
		c, err := tr.Claim(t.Context(), req)
		require.NoError(t, err)
		require.NotEmpty(t, c.Next)
		stats, err := tr.Stats(t.Context(), start)
		require.NoError(t, err)
		assert.Equal(t, want, stats.Pending)
	}
	assert.Len(t, tr.round(), len(names))
}

func TestOneCallVisitsABoundedNumberOfEndpoints(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	for _, id := range tr.endpoints(2500) {
		tr.stored(tr.named(id, dueAt(start, id)...))
	}
	req := claimRequest(start, 10)
	req.Room = 0
	calls := 1
	for ; ; calls++ {
		c, err := tr.Claim(t.Context(), req)
		require.NoError(t, err)
		require.Empty(t, c.Deliveries)
		if req.Cursor = c.Next; req.Cursor == "" {
			break
		}
	}
	assert.Equal(t, 3, calls)
	assert.Len(t, tr.round(), 2500)
}

func TestADeliveryCountsAsDueSinceItsFirstLease(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	id := tr.endpoints(1)[0]
	tr.stored(tr.named("e1", leased(id)...))
	tr.now = start.Add(time.Hour)
	assert.Equal(t, start, tr.round()[0].Since)
}

func TestADeliveryFromTheOutboxCountsAsDueSinceTheEventOrNotBefore(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	tr.endpoints(1)
	now, later := tr.outbox("e1"), tr.outbox("e2")
	later.NotBefore = start.Add(time.Hour)
	tr.stored(now, later)
	tr.now = start.Add(2 * time.Hour)
	l := tr.round()
	require.Len(t, l, 2)
	assert.Equal(t, start, l[0].Since)
	assert.Equal(t, later.NotBefore, l[1].Since)
}

func TestEveryVersionThatADeliveryNeedsIsKept(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	e := endpoint("acme", "ep1")
	require.NoError(t, tr.CreateEndpoint(t.Context(), e, 0))
	for n := int64(1); n <= 20; n++ {
		tr.stored(tr.named(fmt.Sprint(n), webhook.NewDelivery{EndpointID: "ep1", Version: n, DueAt: start}))
		e.Version = n
		_, err := tr.UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
	}
	req := claimRequest(start, 100)
	req.Room = 100
	c, err := tr.Claim(t.Context(), req)
	require.NoError(t, err)
	assert.Len(t, c.Deliveries, 20)
	assert.Len(t, c.Snapshots, 20)
}

func TestALargeEventIsTheFirstOfTheNextCall(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(3)
	for _, id := range names {
		tr.stored(sized(tr.named(id, dueAt(start, id)...), 1000))
	}
	req := claimRequest(start, 10)
	req.MaxBytes = 900
	var got []string
	for range names {
		c, err := tr.Claim(t.Context(), req)
		require.NoError(t, err)
		require.Len(t, c.Deliveries, 1)
		got = append(got, ids(c.Deliveries)...)
		if len(got) < len(names) {
			require.NotEmpty(t, c.Next)
		} else {
			require.Empty(t, c.Next)
		}
		req.Cursor = c.Next
	}
	assert.Equal(t, names, got)
}

func TestACallerWhoseClockIsBehindGetsNothingEarly(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(2)
	blocked := endpoint("acme", "blocked")
	blocked.Health.BlockedUntil = start.Add(time.Hour)
	require.NoError(t, tr.CreateEndpoint(t.Context(), blocked, 0))
	later := start.Add(time.Hour)
	tr.stored(tr.named("e1", dueAt(later, names[0])...), tr.named("e2", leased(names[1])...), tr.named("e3", dueAt(start, "blocked")...))

	ahead := claimRequest(later, 10)
	ahead.Room = 0
	c, err := tr.Claim(t.Context(), ahead)
	require.NoError(t, err)
	require.Empty(t, c.Deliveries)
	for _, now := range []time.Time{start, start.Add(time.Minute + 5*time.Second - time.Microsecond)} {
		tr.now = now
		assert.Empty(t, tr.round())
	}
	tr.now = start.Add(time.Minute + 5*time.Second)
	assert.Equal(t, []string{names[1]}, ids(tr.round()))
	tr.now = later
	assert.ElementsMatch(t, []string{"blocked", names[0], names[1]}, ids(tr.round()))
}

func TestNextDueIsTheFirstOfAllThatWaits(t *testing.T) {
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	steps := []struct {
		add  func(*trial)
		want time.Time
	}{
		{func(*trial) {}, time.Time{}},
		{func(tr *trial) { tr.stored(tr.named("e1", leased("ep000000")...)) }, at(65)},
		{func(tr *trial) { tr.stored(tr.named("e2", dueAt(at(50), "ep000000")...)) }, at(50)},
		{func(tr *trial) {
			e := endpoint("acme", "blocked")
			e.Health.BlockedUntil = at(40)
			require.NoError(tr.t, tr.CreateEndpoint(tr.t.Context(), e, 0))
			tr.stored(tr.named("e3", dueAt(start, "blocked")...))
		}, at(40)},
		{func(tr *trial) {
			e := tr.outbox("e4")
			e.NotBefore = at(30)
			tr.stored(e)
		}, at(30)},
	}
	tr := newTrial(t, memstore.Options{})
	tr.endpoints(1)
	for _, step := range steps {
		step.add(tr)
		c, err := tr.Claim(t.Context(), claimRequest(start, 10))
		require.NoError(t, err)
		require.Empty(t, c.Deliveries)
		assert.Equal(t, step.want, c.NextDue)
	}
}

func TestABodyIsMadeUnderTheVersionThatWasMatched(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	e := endpoint("acme", "ep1")
	require.NoError(t, tr.CreateEndpoint(t.Context(), e, 0))
	for _, url := range []string{"https://two", "https://three"} {
		e.URL = url
		var err error
		e, err = tr.UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
	}
	row := webhook.NewDelivery{EndpointID: "ep1", Version: 2, DueAt: start} // matched before the last update
	tr.stored(tr.named("e1", row))
	c, err := tr.Claim(t.Context(), claimRequest(start, 10))
	require.NoError(t, err)
	require.Len(t, c.Deliveries, 1)
	assert.EqualValues(t, 2, c.Deliveries[0].Version)
	assert.Equal(t, []webhook.Endpoint{{Tenant: "acme", ID: "ep1", Version: 2, URL: "https://two"}}, c.Snapshots)
}

func TestARetryByHandOfAForgottenVersionIsMadeUnderThePresentOne(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	e := endpoint("acme", "ep1")
	require.NoError(t, tr.CreateEndpoint(t.Context(), e, 0))
	event := tr.named("e1", leased("ep1")...)
	tr.stored(event)
	tr.settle(event, "ep1", 1, webhook.DeliveryFailed, nil)
	for range 10 {
		var err error
		e, err = tr.UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
	}
	_, err := tr.Retry(t.Context(), webhook.Query{Tenant: "acme", EventID: "e1", EndpointID: "ep1"}, start)
	require.NoError(t, err)
	c, err := tr.Claim(t.Context(), claimRequest(start, 10))
	require.NoError(t, err)
	require.Len(t, c.Deliveries, 1)
	assert.EqualValues(t, 11, c.Deliveries[0].Version)
	assert.Empty(t, c.Snapshots)
}
