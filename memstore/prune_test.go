package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// prune prunes to the end, and returns how many calls that took.
func (tr *trial) prune(r webhook.Retention) int {
	tr.t.Helper()
	for calls := 1; ; calls++ {
		more, err := tr.Prune(tr.t.Context(), tr.now, r)
		require.NoError(tr.t, err)
		if !more {
			return calls
		}
		require.Less(tr.t, calls, 1000)
	}
}

var forEver = webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: -1}

func TestPruneEndsBesideAnyNumberOfLeases(t *testing.T) {
	const n = 3000
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(n)
	for _, id := range names {
		tr.stored(tr.named("of-"+id, leased(id)...)) // one each
	}
	for i := range n {
		tr.stored(tr.named(fmt.Sprint(i), leased(names[0])...)) // all of one
	}
	tr.stored(tr.named("idle", dueAt(start.Add(time.Hour), names[0])...))
	for _, id := range names {
		require.NoError(t, tr.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: id}, 0, start))
	}
	assert.Equal(t, 1, tr.prune(forEver))
	stats, err := tr.Stats(t.Context(), start)
	require.NoError(t, err)
	stats.Endpoints = webhook.Stats{}.Endpoints
	assert.Equal(t, webhook.Stats{Pending: 2 * n, InFlight: 2 * n}, stats, "all but the idle one")

	tr.now = start.Add(time.Minute + 5*time.Second)
	assert.Greater(t, tr.prune(forEver), 1)
	stats, err = tr.Stats(t.Context(), tr.now)
	require.NoError(t, err)
	stats.Endpoints = webhook.Stats{}.Endpoints
	assert.Equal(t, webhook.Stats{}, stats)
}

func TestPruneComesPastEventsOfAnySize(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	require.NoError(t, tr.CreateEndpoint(t.Context(), endpoint("acme", "x"), 0))
	var rows, pinned []webhook.NewDelivery
	for i := range 2500 {
		a := &webhook.Attempt{StartedAt: start, ResponseBody: []byte("x")}
		rows = append(rows, webhook.NewDelivery{EndpointID: fmt.Sprintf("%06d", i), State: webhook.DeliverySucceeded, Attempt: a})
	}
	pinned = append(pinned, rows...)
	pinned = append(pinned, leased("x")...)
	tr.stored(tr.named("pinned", pinned...), tr.named("large", rows...), tr.named("small", rows[:1]...))
	tr.now = start.Add(2 * time.Hour)

	tr.prune(webhook.Retention{ResponseBodies: time.Hour, Attempts: -1, Events: -1})
	assert.Len(t, tr.log(webhook.Query{EventID: "large"}), 1000)
	assert.Empty(t, tr.log(webhook.Query{EventID: "large"})[0].ResponseBody)
	assert.Empty(t, tr.log(webhook.Query{EventID: "small"})[0].ResponseBody)
	assert.NotEmpty(t, tr.log(webhook.Query{EventID: "pinned"})[0].ResponseBody)
	tr.prune(webhook.Retention{ResponseBodies: -1, Attempts: time.Hour, Events: -1})
	assert.Empty(t, tr.log(webhook.Query{EventID: "large"}))
	tr.prune(webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour})
	assert.Equal(t, []string{"pinned"}, tr.kept())
}

// Each call does about as much, with any number of deliveries and attempts of an event.
func TestPruneRemovesTheLogOfAWideEventInPieces(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	id := tr.endpoints(1)[0]
	rows := leased(id)
	for i := range 5000 {
		a := &webhook.Attempt{StartedAt: start, ResponseBody: []byte("x")}
		rows = append(rows, webhook.NewDelivery{EndpointID: fmt.Sprintf("x%06d", i), State: webhook.DeliverySucceeded, Attempt: a})
	}
	e := tr.named("wide", rows...)
	tr.stored(e)
	tr.succeed(e, id)
	tr.now = start.Add(2 * time.Hour)
	assert.Greater(t, tr.prune(webhook.Retention{ResponseBodies: time.Hour, Attempts: -1, Events: -1}), 5)
	late := []webhook.Settlement{{
		UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: id}, LeaseNo: 9, State: webhook.DeliveryFailed,
		Attempt: &webhook.Attempt{StartedAt: tr.now, ResponseBody: []byte("late")},
	}}
	old := webhook.Retention{ResponseBodies: -1, Attempts: time.Hour, Events: -1}
	more, err := tr.Prune(t.Context(), tr.now, old)
	require.NoError(t, err)
	require.True(t, more)
	_, err = tr.Settle(t.Context(), tr.now, late) // to a delivery that the sweep has passed
	require.NoError(t, err)
	assert.Greater(t, tr.prune(old), 5)
	assert.Empty(t, tr.log(webhook.Query{EventID: "wide"}))
	tr.prune(webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour})
	assert.Empty(t, tr.kept())
}

func TestPruneComesBackForWhatHasFinishedSince(t *testing.T) {
	old := webhook.Retention{ResponseBodies: time.Hour, Attempts: 3 * time.Hour, Events: 5 * time.Hour}
	tr := newTrial(t, memstore.Options{})
	for _, id := range []string{"a", "b"} {
		require.NoError(t, tr.CreateEndpoint(t.Context(), endpoint("acme", id), 0))
	}
	first, second := tr.named("e1", leased("a")...), tr.named("e2", leased("a", "b")...)
	tr.stored(first, second, tr.named("e3"))
	attempt := func() *webhook.Attempt { return &webhook.Attempt{StartedAt: tr.now, ResponseBody: []byte("x")} }

	tr.now = start.Add(2 * time.Hour)
	tr.prune(old) // comes past both
	tr.settle(first, "a", 1, webhook.DeliveryFailed, attempt())
	tr.settle(second, "a", 1, webhook.DeliveryFailed, attempt())
	tr.prune(old)
	assert.Empty(t, tr.log(webhook.Query{EventID: "e1"})[0].ResponseBody)
	assert.NotEmpty(t, tr.log(webhook.Query{EventID: "e2"})[0].ResponseBody, "b is unfinished")

	late := []webhook.Settlement{{
		UID: first.UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: "a"}, LeaseNo: 2, State: webhook.DeliveryFailed, Attempt: attempt(),
	}}
	_, err := tr.Settle(t.Context(), tr.now, late)
	require.NoError(t, err)
	assert.NotEmpty(t, tr.log(webhook.Query{EventID: "e1"})[0].ResponseBody)
	tr.prune(old)
	assert.Empty(t, tr.log(webhook.Query{EventID: "e1"})[0].ResponseBody, "late attempts too")

	tr.now = start.Add(4 * time.Hour)
	tr.prune(old)
	assert.Empty(t, tr.log(webhook.Query{EventID: "e1"}))
	tr.now = start.Add(6 * time.Hour)
	tr.prune(old)
	assert.Equal(t, []string{"e2"}, tr.kept())
	tr.succeed(second, "b")
	tr.prune(old)
	assert.Empty(t, tr.kept())
}

func TestPruneDoesABoundedPartOfTheWork(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	id := tr.endpoints(1)[0]
	for i := range 2500 {
		tr.stored(tr.named(fmt.Sprint(i), dueAt(start, id)...))
	}
	require.NoError(t, tr.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: id}, 0, start))
	for left := 1500; left > 0; left -= 1000 {
		more, err := tr.Prune(t.Context(), start, forEver)
		require.NoError(t, err)
		require.True(t, more)
		stats, err := tr.Stats(t.Context(), start)
		require.NoError(t, err)
		assert.Equal(t, left, stats.Held)
	}
	assert.Equal(t, 1, tr.prune(forEver))
}

func TestWhatIsJustAsOldAsItMayBeIsKept(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	tr.stored(tr.named("e1"))
	tr.now = start.Add(time.Hour)
	tr.prune(webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour})
	assert.Equal(t, []string{"e1"}, tr.kept())
	tr.now = tr.now.Add(time.Microsecond)
	tr.prune(webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour})
	assert.Empty(t, tr.kept())
}

func TestNumbersGoOnAfterAttemptsWerePruned(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	id := tr.endpoints(1)[0]
	e := tr.named("e1", leased(id)...)
	tr.stored(e)
	attempt := &webhook.Attempt{StartedAt: start, Class: webhook.ClassDNS}
	tr.settle(e, id, 1, webhook.DeliveryPending, attempt)
	tr.settle(e, id, tr.round()[0].LeaseNo, webhook.DeliveryFailed, attempt)
	tr.now = start.Add(2 * time.Hour)
	tr.prune(webhook.Retention{ResponseBodies: -1, Attempts: time.Hour, Events: -1})
	assert.Empty(t, tr.log(webhook.Query{EventID: "e1"}))

	repeated := []webhook.Settlement{{
		UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: id}, LeaseNo: 2, State: webhook.DeliveryFailed, Attempt: attempt,
	}}
	s, err := tr.Settle(t.Context(), tr.now, repeated)
	require.NoError(t, err)
	assert.Equal(t, []int{0}, s.Already)
	assert.Empty(t, tr.log(webhook.Query{EventID: "e1"}), "an attempt that was removed does not come back")

	_, err = tr.Retry(t.Context(), webhook.Query{Tenant: "acme"}, tr.now)
	require.NoError(t, err)
	l := tr.round()[0]
	assert.Equal(t, 2, l.Attempts)
	tr.settle(e, id, l.LeaseNo, webhook.DeliverySucceeded, &webhook.Attempt{StartedAt: tr.now})
	assert.Equal(t, 3, tr.log(webhook.Query{EventID: "e1"})[0].Number)
}
