package acceptance

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/leaktest"
	"github.com/gowebhook/webhook/internal/signature"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

const acme = "acme"

var quiet = slog.New(slog.DiscardHandler)

// rig is a Dispatcher in memory with a fake network.
type rig struct {
	*webhook.Dispatcher
	t     *testing.T
	store *faultyStore
	net   *webhooktest.Transport
	stop  func() error // ends Run and returns its error
}

// newRig makes a rig. configure may change the Config and the transport.
func newRig(t *testing.T, configure func(*webhook.Config, *webhooktest.Transport)) *rig {
	t.Helper()
	r := &rig{t: t, store: &faultyStore{Store: memstore.New(memstore.Options{})}, net: &webhooktest.Transport{}}
	config := webhook.Config{Transport: r.net, Logger: quiet}
	if configure != nil {
		configure(&config, r.net)
	}
	d, err := webhook.New(r.store, config)
	require.NoError(t, err)
	r.Dispatcher = d
	return r
}

// run starts Run, which lasts until the end of the test or until stop.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- r.Run(ctx) }()
	stopped := false
	r.stop = func() error {
		stopped = true
		cancel()
		return <-result
	}
	r.t.Cleanup(func() {
		if !stopped {
			_ = r.stop()
		}
	})
}

// endpoint registers an endpoint of acme that receives every event. The functions in change
// may edit it first.
func (r *rig) endpoint(id string, change ...func(*webhook.Endpoint)) webhook.Endpoint {
	r.t.Helper()
	e := webhook.Endpoint{ID: id, URL: "https://" + id + ".example/hook", Events: []string{"*"}}
	for _, c := range change {
		c(&e)
	}
	e, err := r.Tenant(acme).CreateEndpoint(r.t.Context(), e)
	require.NoError(r.t, err)
	return e
}

// emit emits an event of acme.
func (r *rig) emit(id string) webhook.Receipt {
	r.t.Helper()
	receipt, err := r.Emit(r.t.Context(), webhook.Event{Tenant: acme, Type: "a.b", ID: id, Data: map[string]int{"n": 1}})
	require.NoError(r.t, err)
	return receipt
}

// warm sends an event. After that, the process knows the endpoints of acme, and hands
// deliveries over without asking the store.
func (r *rig) warm() {
	r.t.Helper()
	r.emit("warm")
	synctest.Wait()
	require.NotEmpty(r.t, r.net.Sent())
}

// delivery returns one delivery of acme.
func (r *rig) delivery(event, endpoint string) webhook.Delivery {
	r.t.Helper()
	page, err := r.Tenant(acme).Deliveries(context.Background(), webhook.Query{EventID: event, EndpointID: endpoint})
	require.NoError(r.t, err)
	require.Len(r.t, page.Items, 1)
	return page.Items[0]
}

// attempts returns the log of one delivery of acme, the first attempt first.
func (r *rig) attempts(event, endpoint string) []webhook.Attempt {
	r.t.Helper()
	page, err := r.Tenant(acme).Attempts(context.Background(), webhook.Query{EventID: event, EndpointID: endpoint, Limit: 1000})
	require.NoError(r.t, err)
	items := page.Items
	for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
		items[i], items[j] = items[j], items[i]
	}
	return items
}

// answer returns a transport function that answers with a status and headers ("Name: value").
func answer(status int, headers ...string) func(context.Context, *webhook.Request) (*webhook.Response, error) {
	return func(context.Context, *webhook.Request) (*webhook.Response, error) {
		return response(status, headers...), nil
	}
}

func response(status int, headers ...string) *webhook.Response {
	r := &webhook.Response{StatusCode: status, Header: map[string][]string{}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// hang waits until the request is canceled.
func hang(ctx context.Context, _ *webhook.Request) (*webhook.Response, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func newSecret() webhook.Secret { return webhook.Secret(signature.NewSecret()) }

var errStore = errors.New("the database is away")

// faultyStore is a Store that can be made to fail.
type faultyStore struct {
	webhook.Store
	down    atomic.Bool                                                                       // every call fails
	idle    atomic.Bool                                                                       // claims find nothing
	settle  func(context.Context, time.Time, []webhook.Settlement) (webhook.Settled, error)   // replaces Store.Settle
	publish func(context.Context, webhook.PublishRequest) ([]webhook.Published, error)        // likewise
	claim   func(context.Context, webhook.ClaimRequest) (webhook.Claimed, error)              // likewise
	match   func(context.Context, []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) // likewise
}

func (s *faultyStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	if s.down.Load() {
		return webhook.Settled{}, errStore
	}
	if s.settle != nil {
		return s.settle(ctx, now, items)
	}
	return s.Store.Settle(ctx, now, items)
}

func (s *faultyStore) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	if s.down.Load() {
		return nil, errStore
	}
	if s.publish != nil {
		return s.publish(ctx, req)
	}
	return s.Store.Publish(ctx, req)
}

func (s *faultyStore) Claim(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
	if s.down.Load() {
		return webhook.Claimed{}, errStore
	}
	if s.idle.Load() {
		return webhook.Claimed{}, nil
	}
	if s.claim != nil {
		return s.claim(ctx, req)
	}
	return s.Store.Claim(ctx, req)
}

func (s *faultyStore) Match(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
	if s.down.Load() {
		return nil, errStore
	}
	if s.match != nil {
		return s.match(ctx, reqs)
	}
	return s.Store.Match(ctx, reqs)
}

func (s *faultyStore) Refresh(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
	if s.down.Load() {
		return nil, errStore
	}
	return s.Store.Refresh(ctx, keys)
}

// onlyWithoutRaceDetector skips a test of days or of large bodies. The race detector makes it
// very slow, and other tests run the same code.
func onlyWithoutRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("shorter tests of the same code run with the race detector")
	}
}

// inTime runs a test with a fake clock, and fails if a goroutine is left.
func inTime(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// pass lets fake time pass.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // only within inTime

// sealAgain updates every endpoint without a change, as the example of NewCipher does. The
// secrets are then sealed with the current key.
func sealAgain(ctx context.Context, d *webhook.Dispatcher) (sealed int, err error) {
	all := d.AllTenants()
	for q := (webhook.Query{}); ; {
		page, err := all.Endpoints(ctx, q)
		if err != nil {
			return sealed, err
		}
		for _, e := range page.Items {
			// ErrConflict and ErrNotFound mean that another caller has just changed the
			// endpoint. Run sealAgain once more.
			if _, err := all.UpdateEndpoint(ctx, e); err != nil {
				return sealed, err
			}
			sealed++
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return sealed, nil
		}
	}
}

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }
