package memstore

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestManyAtOnceNeverShareALeaseAndLoseNothing(t *testing.T) {
	const events, publishers, workers = 400, 4, 4
	s := New(Options{MaxFinished: 500})
	ctx := t.Context()
	for i := range 10 {
		for _, tenant := range []string{"acme", "umbrella"} {
			require.NoError(t, s.CreateEndpoint(ctx, webhook.Endpoint{
				Tenant: tenant, ID: fmt.Sprint(i), Events: []string{"*"}, State: webhook.EndpointActive, Version: 1,
			}, 0))
		}
	}
	var clock, published, finished atomic.Int64
	now := func() time.Time { return time.Unix(1_800_000_000, clock.Add(1e6)).UTC().Truncate(time.Microsecond) }
	var leases, ends sync.Map
	granted := func(l webhook.Leased) {
		if _, twice := leases.LoadOrStore(grant{l.UID, l.Endpoint, l.LeaseNo}, true); twice {
			t.Errorf("%v was leased twice under number %d", l.UID, l.LeaseNo)
		}
	}
	settle := func(rnd *rand.Rand, l webhook.Leased) {
		item := webhook.Settlement{
			UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, State: webhook.DeliverySucceeded,
			Attempt: &webhook.Attempt{StartedAt: now(), ResponseBody: []byte("ok")},
		}
		if rnd.IntN(3) == 0 {
			item.State, item.DueAt, item.Attempt.Class = webhook.DeliveryPending, now(), webhook.ClassStatus
		}
		got, err := s.Settle(ctx, now(), []webhook.Settlement{item})
		if err != nil {
			t.Error(err)
		}
		if item.State == webhook.DeliverySucceeded && len(got.Lost)+len(got.Already) == 0 {
			if _, twice := ends.LoadOrStore([2]string{l.UID.String(), l.Endpoint.Tenant + l.Endpoint.ID}, true); !twice {
				finished.Add(1)
			}
		}
	}

	var publishing, all sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(p), 0))
			for i := range events {
				at := now()
				e := webhook.EventRecord{
					UID: uuid.Must(uuid.NewV7()), Tenant: []string{"acme", "umbrella"}[rnd.IntN(2)], ID: fmt.Sprintf("%d-%d", p, i),
					Type: "a", Data: []byte("1"), CreatedAt: at, Time: at, Deliveries: []webhook.NewDelivery{},
				}
				for range 1 + rnd.IntN(2) {
					e.Deliveries = append(e.Deliveries, webhook.NewDelivery{
						EndpointID: fmt.Sprint(len(e.Deliveries)*5 + rnd.IntN(5)), Version: 1, DueAt: at, Leased: rnd.IntN(2) == 0,
					})
				}
				got, err := s.Publish(ctx, webhook.PublishRequest{Now: at, LeaseUntil: at.Add(time.Minute), Events: []webhook.EventRecord{e}})
				if err != nil || got[0].Err != nil {
					t.Error(err, got)
					continue
				}
				published.Add(int64(len(e.Deliveries)))
				for _, d := range e.Deliveries {
					if d.Leased {
						l := webhook.Leased{UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: e.Tenant, ID: d.EndpointID}, LeaseNo: 1}
						granted(l)
						settle(rnd, l)
					}
				}
			}
		})
	}
	claimAll := func(rnd *rand.Rand) {
		req := webhook.ClaimRequest{Now: now(), Max: 20, MaxBytes: 1 << 20, Room: 3}
		req.LeaseUntil = req.Now.Add(time.Minute)
		for {
			c, err := s.Claim(ctx, req)
			if err != nil {
				t.Error(err)
				return
			}
			for _, l := range c.Deliveries {
				granted(l)
			}
			for _, l := range c.Deliveries {
				settle(rnd, l)
			}
			if req.Cursor = c.Next; c.Next == "" {
				return
			}
		}
	}
	stop := make(chan struct{})
	background := func(do func(rnd *rand.Rand)) {
		all.Go(func() {
			for rnd := rand.New(rand.NewPCG(1, 1)); ; {
				select {
				case <-stop:
					return
				default:
					do(rnd)
				}
			}
		})
	}
	for range workers {
		background(claimAll)
	}
	background(func(rnd *rand.Rand) { // an endpoint comes and goes, without deliveries
		key := webhook.EndpointKey{Tenant: "acme", ID: "x"}
		_ = s.CreateEndpoint(ctx, webhook.Endpoint{Tenant: "acme", ID: "x", Events: []string{"*"}, Version: 1}, 0)
		_ = s.DeleteEndpoint(ctx, key, 0, now())
		found, err := s.Refresh(ctx, []webhook.EndpointKey{{Tenant: "acme", ID: fmt.Sprint(rnd.IntN(10))}})
		if err != nil || len(found) != 1 {
			t.Error(err, found)
			return
		}
		found[0].State = []webhook.EndpointState{webhook.EndpointActive, webhook.EndpointPaused}[rnd.IntN(2)]
		_, _ = s.UpdateEndpoint(ctx, found[0])
	})
	background(func(rnd *rand.Rand) {
		q := webhook.Query{AllTenants: true, Limit: 5, State: webhook.DeliveryPending}
		if _, err := s.Retry(ctx, q, now()); err != nil {
			t.Error(err)
		}
		_, events := s.Events(ctx, webhook.Query{Tenant: "acme"})
		_, deliveries := s.Deliveries(ctx, webhook.Query{Tenant: "acme", EndpointID: fmt.Sprint(rnd.IntN(10))}, now())
		_, attempts := s.Attempts(ctx, webhook.Query{Tenant: "acme", EndpointID: fmt.Sprint(rnd.IntN(10))})
		_, stats := s.Stats(ctx, now())
		_, prune := s.Prune(ctx, now(), webhook.Retention{ResponseBodies: time.Millisecond, Attempts: time.Second, Events: time.Second})
		for _, err := range []error{events, deliveries, attempts, stats, prune} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	publishing.Wait()
	close(stop)
	all.Wait()
	recount(t, s)

	for _, e := range s.endpoints {
		if e.State == webhook.EndpointPaused {
			again := e.Endpoint
			again.State = webhook.EndpointActive
			_, err := s.UpdateEndpoint(ctx, again)
			require.NoError(t, err)
		}
	}
	rnd := rand.New(rand.NewPCG(2, 2))
	for rounds := 0; finished.Load() < published.Load(); rounds++ {
		require.Less(t, rounds, 10_000, "%d of %d have finished", finished.Load(), published.Load())
		claimAll(rnd)
	}
	recount(t, s)
	stats, err := s.Stats(ctx, now())
	require.NoError(t, err)
	stats.Endpoints = webhook.Stats{}.Endpoints
	require.Equal(t, webhook.Stats{}, stats)
}
