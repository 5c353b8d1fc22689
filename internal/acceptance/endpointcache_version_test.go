package acceptance

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// oneStore is shared by the processes of a test. It has a clock. It may return an older
// endpoint again, as after a failover.
type oneStore struct {
	*clockedStore
	undo map[int64]webhook.Endpoint // the endpoint to return in place of a version
}

func (s *oneStore) Refresh(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
	found, err := s.Store.Refresh(ctx, keys)
	s.undoEndpoints(found)
	return found, err
}

func (s *oneStore) Claim(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
	claimed, err := s.Store.Claim(ctx, req)
	s.undoEndpoints(claimed.Endpoints)
	return claimed, err
}

func (s *oneStore) undoEndpoints(found []webhook.Endpoint) {
	for i := range found {
		if e, lost := s.undo[found[i].Version]; lost {
			found[i] = e
		}
	}
}

func (s *oneStore) Match(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
	found, err := s.Store.Match(ctx, reqs)
	for _, statuses := range found {
		s.undoAll(statuses)
	}
	return found, err
}

func (s *oneStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	settled, err := s.Store.Settle(ctx, now, items)
	s.undoAll(settled.Endpoints)
	return settled, err
}

func (s *oneStore) undoAll(statuses []webhook.EndpointStatus) {
	for i := range statuses {
		if e, lost := s.undo[statuses[i].Version]; lost {
			statuses[i].Version = e.Version
		}
	}
}

// process starts a Dispatcher until the end of the test.
func process(t *testing.T, store webhook.Store, sent *webhooktest.Transport, now func() time.Time) *webhook.Dispatcher {
	t.Helper()
	d, err := webhook.New(store, webhook.Config{Transport: sent, Logger: quiet, Now: now})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return d
}

func emitTo(t *testing.T, d *webhook.Dispatcher, sent *webhooktest.Transport) string {
	t.Helper()
	receipt, err := d.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b"})
	require.NoError(t, err)
	pass(time.Second)
	all := sent.Sent()
	require.NotEmpty(t, all)
	require.Equal(t, receipt.EventID, all[len(all)-1].Event.ID)
	url, _ := strings.CutPrefix(all[len(all)-1].URL, "https://")
	return url
}

func TestAnEndpointMadeAnewByAnotherProcessReplacesOneOfAProcessWithAFastClock(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := &oneStore{clockedStore: &clockedStore{Store: memstore.New(memstore.Options{})}}
		sent := &webhooktest.Transport{}
		api, err := webhook.New(store, webhook.Config{Logger: quiet, Now: func() time.Time { return time.Now().Add(5 * time.Minute) }})
		require.NoError(t, err)
		worker := process(t, store, sent, nil)
		create := func(d *webhook.Dispatcher, url string) {
			_, err := d.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{ID: "ep", URL: url, Events: []string{"*"}})
			require.NoError(t, err)
		}
		create(api, "https://first.example")
		assert.Equal(t, "first.example", emitTo(t, worker, sent))
		require.NoError(t, api.Tenant(acme).Erase(t.Context()))
		other, err := webhook.New(store, webhook.Config{Logger: quiet})
		require.NoError(t, err)
		create(other, "https://second.example")
		pass(time.Second)
		assert.Equal(t, "second.example", emitTo(t, worker, sent))
	})
}

func TestAnEditThatAFailoverLostIsForgottenSoon(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := &oneStore{clockedStore: &clockedStore{Store: memstore.New(memstore.Options{})}}
		sent := &webhooktest.Transport{}
		worker := process(t, store, sent, nil)
		first, err := worker.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{ID: "ep", URL: "https://one.example", Events: []string{"*"}})
		require.NoError(t, err)
		assert.Equal(t, "one.example", emitTo(t, worker, sent))
		stored, err := store.Refresh(t.Context(), []webhook.EndpointKey{{Tenant: acme, ID: "ep"}})
		require.NoError(t, err)
		lost := first
		lost.URL = "https://two.example"
		lost, err = worker.Tenant(acme).UpdateEndpoint(t.Context(), lost)
		require.NoError(t, err)
		assert.Equal(t, "two.example", emitTo(t, worker, sent))
		synctest.Wait()
		store.undo = map[int64]webhook.Endpoint{lost.Version: stored[0]}
		for range 12 {
			emitTo(t, worker, sent)
		}
		assert.Equal(t, "one.example", emitTo(t, worker, sent), "the database says so")
	})
}

// No other edit gets the version of a lost edit.
func TestAnEditHasTheStoreTimeAsItsVersion(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := &clockedStore{Store: memstore.New(memstore.Options{})}
		store.ahead.Store(int64(time.Hour))
		d, err := webhook.New(store, webhook.Config{Logger: quiet, Now: func() time.Time { return time.Now().Add(24 * time.Hour) }})
		require.NoError(t, err)
		e, err := d.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{ID: "ep", URL: "https://one.example", Events: []string{"*"}})
		require.NoError(t, err)
		assert.Equal(t, time.Now().Add(time.Hour).UnixMicro(), e.Version)
		pass(time.Second)
		e, err = d.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, time.Now().Add(time.Hour).UnixMicro(), e.Version)
		again, err := d.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, e.Version+1, again.Version, "in the same microsecond")
	})
}
