package acceptance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// newBroken makes a rig whose receivers fail each delivery at once, until mended is set.
func newBroken(t *testing.T) (r *rig, mended *atomic.Bool) {
	t.Helper()
	mended = new(atomic.Bool)
	r = newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
		net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
			if mended.Load() {
				return response(200), nil
			}
			return response(500), nil
		}
		c.Profiles = map[string]webhook.Profile{"once": {Retry: webhook.Schedule()}}
		c.Profile, c.KeepUnmatched, c.MaxEndpoints = "once", true, 200
		c.Health.CircuitFailures, c.Health.CircuitPercent = -1, -1 // replays alone decide when something is sent
	})
	return r, mended
}

func (r *rig) replay(req webhook.ReplayRequest) webhook.Replay {
	r.t.Helper()
	job, err := r.Tenant(acme).Replay(r.t.Context(), req)
	require.NoError(r.t, err)
	return job
}

// job returns a replay as it is stored.
func (r *rig) job(id string) webhook.Replay {
	r.t.Helper()
	page, err := r.Tenant(acme).Replays(r.t.Context(), webhook.Query{ReplayID: id})
	require.NoError(r.t, err)
	require.Len(r.t, page.Items, 1)
	return page.Items[0]
}

// assertDone checks that a replay has ended by itself.
func assertDone(t *testing.T, job webhook.Replay) {
	t.Helper()
	assert.NotZero(t, job.FinishedAt)
	assert.Empty(t, job.Reason)
}

func TestAReplaySendsAgainAtItsRate(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, mended := newBroken(t)
		r.run()
		r.endpoint("one")
		for i := range 25 {
			r.emit(fmt.Sprint("evt", i))
		}
		pass(time.Minute)
		require.Len(t, r.net.Sent(), 25)
		mended.Store(true)

		dry := r.replay(webhook.ReplayRequest{Endpoint: "one", DryRun: true})
		assert.Equal(t, 25, dry.Matched)
		assert.True(t, dry.Exact)
		assert.Empty(t, dry.ID)
		job := r.replay(webhook.ReplayRequest{Endpoint: "one"})
		assert.Equal(t, 25, job.Matched)
		assert.Zero(t, job.FinishedAt)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 25+10, "the first second's worth")
		pass(time.Second - time.Millisecond)
		assert.Len(t, r.net.Sent(), 25+10)
		pass(2 * time.Millisecond)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), 25+20)
		pass(time.Minute)
		assert.Len(t, r.net.Sent(), 25+25)
		done := r.job(job.ID)
		assertDone(t, done)
		assert.Equal(t, 25, done.Changed)
		assert.Zero(t, done.Skipped)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt7", "one").State)
	})
}

func TestAReplaySendsWhatADisabledEndpointHasMissed(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, mended := newBroken(t)
		mended.Store(true)
		r.run()
		e := r.endpoint("one")
		set := func(state webhook.EndpointState) {
			t.Helper()
			e.State = state
			var err error
			e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		r.emit("before")
		synctest.Wait()
		set(webhook.EndpointDisabled)
		pass(time.Second)
		r.emit("missed")
		_, err := r.Tenant(acme).Test(t.Context(), "one")
		require.NoError(t, err)
		pass(time.Second)

		_, err = r.Tenant(acme).Replay(t.Context(), webhook.ReplayRequest{Endpoint: "one", Missed: true})
		require.ErrorIs(t, err, webhook.ErrConflict)
		assert.ErrorContains(t, err, `webhook: replay: endpoint "one" is disabled (customer); enable it first: conflict`)
		_, err = r.Tenant(acme).Replay(t.Context(), webhook.ReplayRequest{Endpoint: "two", Missed: true})
		require.ErrorIs(t, err, webhook.ErrNotFound)

		set(webhook.EndpointActive)
		sent := len(r.net.Sent())
		job := r.replay(webhook.ReplayRequest{Endpoint: "one", Missed: true})
		assert.Equal(t, 1, job.Matched)
		pass(time.Minute)
		assert.Len(t, r.net.Sent(), sent+1)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("missed", "one").State)
		again := r.replay(webhook.ReplayRequest{Endpoint: "one", Missed: true, DryRun: true})
		assert.Zero(t, again.Matched, "there is nothing left")
	})
}

func TestTheSameRequestIsTheSameReplayWhileItIsUnfinished(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, _ := newBroken(t)
		r.endpoint("one")
		req := webhook.ReplayRequest{
			Endpoint: "one", Types: []string{"b", "a.*", "b"}, States: []webhook.DeliveryState{webhook.DeliveryFailed, webhook.DeliveryCanceled},
			From: time.Now().Add(-time.Hour),
		}
		first := r.replay(req)
		same := req
		same.Types, same.States, same.Rate, same.From = []string{"a.*", "b"}, nil, 10, req.From.In(time.FixedZone("east", 7200))
		pass(time.Minute)
		assert.Equal(t, first, r.replay(same))
		other := req
		other.Rate = 11
		assert.NotEqual(t, first.ID, r.replay(other).ID)

		r.run()
		pass(time.Minute)
		assertDone(t, r.job(first.ID))
		assert.NotEqual(t, first.ID, r.replay(req).ID)
	})
}

func TestACanceledReplayTakesNoFurtherStep(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, mended := newBroken(t)
		r.run()
		r.endpoint("one")
		for i := range 5 {
			r.emit(fmt.Sprint("evt", i))
		}
		pass(time.Minute)
		mended.Store(true)
		job := r.replay(webhook.ReplayRequest{Endpoint: "one", Rate: 1})
		pass(1500 * time.Millisecond)
		require.Len(t, r.net.Sent(), 5+2)
		canceled, err := r.Tenant(acme).CancelReplay(t.Context(), job.ID)
		require.NoError(t, err)
		assert.NotZero(t, canceled.FinishedAt)
		assert.Equal(t, webhook.ReasonCanceled, canceled.Reason)
		pass(time.Minute)
		assert.Len(t, r.net.Sent(), 5+2)
		_, err = r.Tenant(acme).CancelReplay(t.Context(), job.ID)
		require.NoError(t, err, "to cancel twice is no error")

		_, err = r.Tenant("umbrella").CancelReplay(t.Context(), job.ID)
		require.ErrorIs(t, err, webhook.ErrNotFound)
		_, err = r.Tenant(acme).CancelReplay(t.Context(), "")
		require.ErrorIs(t, err, webhook.ErrInvalid)
		job = r.replay(webhook.ReplayRequest{Endpoint: "one", Rate: 1000})
		pass(time.Minute)
		_, err = r.AllTenants().CancelReplay(t.Context(), job.ID)
		require.ErrorIs(t, err, webhook.ErrConflict, "it has finished")
	})
}

func TestAReplayEndsWithItsEndpoint(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, _ := newBroken(t)
		r.run()
		r.endpoint("one")
		for i := range 5 {
			r.emit(fmt.Sprint("evt", i))
		}
		pass(time.Minute)
		job := r.replay(webhook.ReplayRequest{Endpoint: "one", Rate: 1})
		pass(time.Second / 2)
		require.NoError(t, r.Tenant(acme).DeleteEndpoint(t.Context(), "one"))
		pass(time.Minute)
		ended := r.job(job.ID)
		assert.NotZero(t, ended.FinishedAt)
		assert.Equal(t, webhook.ReasonDeleted, ended.Reason)
		assert.Equal(t, 1, ended.Changed)
	})
}

func TestTheOperatorReplaysWhatFailedOverAllTenants(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, mended := newBroken(t)
		r.run()
		for _, tenant := range []string{acme, "umbrella"} {
			_, err := r.Tenant(tenant).CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://one.example", Events: []string{"*"}})
			require.NoError(t, err)
			_, err = r.Emit(t.Context(), webhook.Event{Tenant: tenant, Type: "a.b", ID: "evt"})
			require.NoError(t, err)
		}
		pass(time.Minute)
		mended.Store(true)
		job, err := r.AllTenants().Replay(t.Context(), webhook.ReplayRequest{FinishedFrom: time.Now().Add(-time.Hour)})
		require.NoError(t, err)
		assert.Equal(t, 2, job.Matched)
		assert.True(t, job.AllTenants)
		pass(time.Minute)
		assert.Len(t, r.net.Sent(), 4)
		page, err := r.AllTenants().Replays(t.Context(), webhook.Query{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		assertDone(t, page.Items[0])
		page, err = r.Tenant(acme).Replays(t.Context(), webhook.Query{})
		require.NoError(t, err)
		assert.Empty(t, page.Items, "a tenant does not see the jobs of all tenants")
	})
}

func TestReplaysRefuseBadInput(t *testing.T) {
	r, _ := newBroken(t)
	r.endpoint("one")
	now := time.Now()
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint("t", i)
	}
	for field, req := range map[string]webhook.ReplayRequest{
		"ReplayRequest.Endpoint":         {Missed: true},
		"ReplayRequest.Endpoint ":        {Endpoint: "a.b"},
		"ReplayRequest.Event":            {Event: "a b"},
		"ReplayRequest.To":               {From: now, To: now},
		"ReplayRequest.To ":              {From: now, To: now.Add(-time.Hour)},
		"ReplayRequest.From":             {From: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"ReplayRequest.FinishedTo":       {FinishedFrom: now, FinishedTo: now.Add(-time.Hour)},
		"ReplayRequest.FinishedFrom":     {Endpoint: "one", Missed: true, FinishedFrom: now},
		"ReplayRequest.Types[1]":         {Types: []string{"a", "a*"}},
		"ReplayRequest.Types":            {Types: many},
		"ReplayRequest.States[0]":        {States: []webhook.DeliveryState{"sending"}},
		"ReplayRequest.States[1]":        {States: []webhook.DeliveryState{webhook.DeliveryFailed, webhook.DeliveryPending}},
		"ReplayRequest.States":           {Endpoint: "one", Missed: true, States: []webhook.DeliveryState{webhook.DeliveryFailed}},
		"ReplayRequest.Rate negative":    {Rate: -1},
		"ReplayRequest.Rate NaN":         {Rate: math.NaN()},
		"ReplayRequest.Rate infinite":    {Rate: math.Inf(1)},
		"ReplayRequest.Rate too high":    {Rate: math.Nextafter(1000, 2000)},
		"ReplayRequest.Rate next to low": {Rate: math.Nextafter(0.001, 0)},
	} {
		_, err := r.Tenant(acme).Replay(t.Context(), req)
		require.ErrorIs(t, err, webhook.ErrInvalid, field)
		refused, _ := errors.AsType[*webhook.FieldError](err)
		assert.Equal(t, field[:len(refused.Field)], refused.Field, "%v", err)
		assert.NotEmpty(t, refused.Cure)
	}
	for _, req := range []webhook.ReplayRequest{{Endpoint: "one"}, {Event: "e"}, {Endpoint: "one", Missed: true}} {
		_, err := r.AllTenants().Replay(t.Context(), req)
		require.ErrorIs(t, err, webhook.ErrInvalid)
	}
	_, err := r.Tenant("").Replay(t.Context(), webhook.ReplayRequest{})
	require.ErrorIs(t, err, webhook.ErrInvalid)
	_, err = r.Tenant(acme).Replays(t.Context(), webhook.Query{EndpointID: "one"})
	require.ErrorIs(t, err, webhook.ErrInvalid)
	for _, rate := range []float64{0.001, 1000} {
		job, err := r.Tenant(acme).Replay(t.Context(), webhook.ReplayRequest{Rate: rate, Types: many[:100]})
		require.NoError(t, err)
		assert.InDelta(t, rate, job.Request.Rate, 0)
	}
}

func TestUnfinishedReplaysAreBounded(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, _ := newBroken(t)
		start := func(scope webhook.Scope, rate float64) error {
			_, err := scope.Replay(t.Context(), webhook.ReplayRequest{Rate: rate})
			return err
		}
		for tenant := range 19 {
			for i := range 5 {
				require.NoError(t, start(r.Tenant(fmt.Sprint("tenant", tenant)), float64(i+1)))
			}
		}
		err := start(r.Tenant("tenant0"), 6)
		require.ErrorIs(t, err, webhook.ErrLimit)
		require.ErrorIs(t, err, webhook.ErrInvalid)
		require.ErrorContains(t, err, "5 unfinished replays")
		for i := range 4 {
			require.NoError(t, start(r.Tenant(acme), float64(i+1)))
		}
		require.NoError(t, start(r.AllTenants(), 1), "the hundredth")
		require.ErrorIs(t, start(r.Tenant("umbrella"), 1), webhook.ErrLimit, "the next one")
		require.NoError(t, start(r.Tenant(acme), 1), "an unfinished one again")
		r.run()
		pass(time.Minute)
		require.NoError(t, start(r.Tenant("tenant0"), 6))
	})
}

func TestReplaysHaveTheRateOfRetry(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, _ := newBroken(t)
		dry := func(scope webhook.Scope) error {
			_, err := scope.Replay(t.Context(), webhook.ReplayRequest{DryRun: true})
			return err
		}
		for range 10 {
			require.NoError(t, dry(r.Tenant(acme)))
		}
		err := dry(r.Tenant(acme))
		refused, ok := errors.AsType[*webhook.RateError](err)
		require.True(t, ok, "%v", err)
		pass(refused.Wait)
		require.NoError(t, dry(r.Tenant(acme)))
		for range 30 {
			require.NoError(t, dry(r.AllTenants()), "the application's own calls are free")
		}
	})
}

// fail stores events with deliveries to n endpoints that have failed.
func (r *rig) fail(events, endpoints int) {
	r.t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	rows := make([]webhook.NewDelivery, endpoints)
	for i := range rows {
		id := fmt.Sprintf("ep%03d", i)
		r.endpoint(id)
		rows[i] = webhook.NewDelivery{EndpointID: id, Version: 1, State: webhook.DeliveryFailed, Reason: webhook.ReasonExhausted}
	}
	for i := range events {
		e := webhook.EventRecord{Tenant: acme, ID: fmt.Sprint("evt", i), Type: "a.b", Data: []byte("1"), CreatedAt: now, Time: now, Deliveries: rows}
		e.UID[0], e.UID[1], e.UID[2] = 1, byte(i>>8), byte(i)
		_, err := r.store.Publish(r.t.Context(), webhook.PublishRequest{Now: now, Events: []webhook.EventRecord{e}})
		require.NoError(r.t, err)
	}
}

func TestALargeRetryLeavesTheRestToAReplay(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, _ := newBroken(t)
		r.fail(101, 100)
		pass(time.Second)
		done, err := r.Tenant(acme).Retry(t.Context(), webhook.Query{Type: "a.b"})
		require.NoError(t, err)
		assert.Equal(t, 10_000, done.Changed)
		require.NotEmpty(t, done.Replay)
		assert.Equal(t, 100, r.job(done.Replay).Matched)

		canceled, err := r.Tenant(acme).Cancel(t.Context(), webhook.Query{All: true})
		require.NoError(t, err)
		assert.Equal(t, webhook.BulkResult{Changed: 10_000}, canceled, "exactly as many as one call changes")
		r.run()
		pass(time.Minute)
		assertDone(t, r.job(done.Replay))
		assert.Equal(t, 100, r.job(done.Replay).Changed)
	})
}

func TestALargeCancelLeavesTheRestToAReplay(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, _ := newBroken(t)
		r.fail(101, 100)
		pass(time.Second)
		for range 2 {
			_, err := r.Tenant(acme).Retry(t.Context(), webhook.Query{EndpointID: "ep000"})
			require.NoError(t, err)
		}
		_, err := r.AllTenants().Retry(t.Context(), webhook.Query{All: true})
		require.NoError(t, err)
		late := r.emit("late")
		require.Equal(t, 100, late.Deliveries)
		pass(time.Second)

		ended, stop := context.WithCancel(t.Context())
		stop()
		_, err = r.Tenant(acme).Cancel(ended, webhook.Query{Type: "a.b"})
		require.ErrorIs(t, err, context.Canceled)
		before, err := r.AllTenants().Replays(t.Context(), webhook.Query{})
		require.NoError(t, err)

		done, err := r.Tenant(acme).Cancel(t.Context(), webhook.Query{Type: "a.b"})
		require.NoError(t, err)
		assert.Equal(t, 10_000, done.Changed)
		require.NotEmpty(t, done.Replay)
		after, err := r.AllTenants().Replays(t.Context(), webhook.Query{})
		require.NoError(t, err)
		assert.Len(t, after.Items, len(before.Items)+1, "the call whose context had ended left none")
		assert.True(t, r.job(done.Replay).Cancels)
		r.endpoint("new")
		r.emit("after")
		stepped, next, err := r.store.StepReplay(t.Context(), time.Now())
		for err == nil && !next.IsZero() && next.Before(time.Now().Add(time.Minute)) {
			pass(max(time.Until(next), 0))
			stepped, next, err = r.store.StepReplay(t.Context(), time.Now())
		}
		require.NoError(t, err)
		assert.NotEmpty(t, stepped.ID)
		assertDone(t, r.job(done.Replay))
		assert.Equal(t, webhook.DeliveryPending, r.delivery("after", "new").State, "it was emitted after the call")
	})
}

func TestARunWithoutAStoreReportsAndGoesOnWithReplays(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, mended := newBroken(t)
		failing := &steps{Store: r.store.Store}
		r.store.Store = failing
		r.run()
		r.endpoint("one")
		r.emit("evt")
		pass(time.Minute)
		mended.Store(true)
		failing.down.Store(true)
		job := r.replay(webhook.ReplayRequest{Endpoint: "one"})
		pass(time.Minute)
		assert.Zero(t, r.job(job.ID).FinishedAt)
		failing.down.Store(false)
		pass(time.Minute)
		assertDone(t, r.job(job.ID))
	})
}

// steps is a Store whose steps of replays can be made to fail.
type steps struct {
	webhook.Store
	down atomic.Bool
}

func (s *steps) StepReplay(ctx context.Context, now time.Time) (webhook.Replay, time.Time, error) {
	if s.down.Load() {
		return webhook.Replay{}, time.Time{}, errStore
	}
	return s.Store.StepReplay(ctx, now)
}
