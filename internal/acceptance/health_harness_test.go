package acceptance

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// noCircuits are the rules of health without circuits.
var noCircuits = webhook.HealthPolicy{CircuitFailures: -1, CircuitPercent: -1}

const day = 24 * time.Hour

// A fleet is some processes on one store, with one receiver for all endpoints.
type fleet struct {
	t     *testing.T
	store *memstore.Store
	rigs  []*rig

	mu      sync.Mutex
	answer  func(ctx context.Context, req *webhook.Request) (*webhook.Response, error)
	sent    []sending
	flying  map[string]int // requests in flight to each endpoint
	most    map[string]int // the most of them at once
	notices []webhook.Notice
}

// A sending is a request that a process has sent.
type sending struct {
	rig      int
	at       time.Time
	endpoint string
	event    *webhook.Event
}

// newFleet makes n processes without jitter that look for work once a second, and runs them.
// configure may change their configuration. Receivers answer 500.
func newFleet(t *testing.T, n int, configure func(*webhook.Config)) *fleet {
	t.Helper()
	f := &fleet{t: t, store: memstore.New(memstore.Options{}), flying: map[string]int{}, most: map[string]int{}, answer: answer(500)}
	for i := range n {
		net := &webhooktest.Transport{Answer: func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
			return f.receive(ctx, i, req)
		}}
		store := &faultyStore{Store: f.store}
		config := webhook.Config{Transport: net, Logger: quiet, Health: webhook.HealthPolicy{CircuitJitter: -1}}
		config.Observer.Notice = func(n webhook.Notice) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.notices = append(f.notices, n)
		}
		config.Profiles = map[string]webhook.Profile{"soon": {Retry: func(webhook.Outcome, float64) (time.Duration, bool) { return time.Second, true }}}
		config.Profile = "soon"
		if configure != nil {
			configure(&config)
		}
		d, err := webhook.New(store, config)
		require.NoError(t, err)
		r := &rig{Dispatcher: d, t: t, store: store, net: net}
		f.rigs = append(f.rigs, r)
		r.run()
	}
	return f
}

// receive is the receiver's side of a request.
func (f *fleet) receive(ctx context.Context, rig int, req *webhook.Request) (*webhook.Response, error) {
	id := req.Endpoint.ID
	f.mu.Lock()
	f.sent = append(f.sent, sending{rig, time.Now(), id, req.Event})
	f.flying[id]++
	f.most[id] = max(f.most[id], f.flying[id])
	answer := f.answer
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.flying[id]--
	}()
	return answer(ctx, req)
}

// answers sets the receivers' answer.
func (f *fleet) answers(answer func(context.Context, *webhook.Request) (*webhook.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// to returns the requests to an endpoint since a time, and the largest number that was in
// flight at once since the last call.
func (f *fleet) to(endpoint string, since time.Time) (sent []sending, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sent {
		if s.endpoint == endpoint && !s.at.Before(since) {
			sent = append(sent, s)
		}
	}
	most = f.most[endpoint]
	f.most[endpoint] = f.flying[endpoint]
	return sent, most
}

// noticed returns the notices of a type about an endpoint.
func (f *fleet) noticed(typ, endpoint string) (found []webhook.Notice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.notices {
		if n.Type == typ && n.Endpoint.ID == endpoint {
			found = append(found, n)
		}
	}
	return found
}

// health returns the health of an endpoint of acme.
func (f *fleet) health(id string) webhook.Health { return f.get(id).Health }

func (f *fleet) get(id string) webhook.Endpoint {
	f.t.Helper()
	e, err := f.rigs[0].Tenant(acme).Endpoint(context.Background(), id)
	require.NoError(f.t, err)
	return e
}

// named returns an endpoint that subscribes to types.
func named(types ...string) func(*webhook.Endpoint) {
	return func(e *webhook.Endpoint) { e.Events = types }
}
