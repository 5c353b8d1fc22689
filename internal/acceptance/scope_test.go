package acceptance

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestAnUpdateOfAnOldVersionIsAConflict(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	scope := r.Tenant(acme)
	first, err := scope.Endpoint(t.Context(), "one")
	require.NoError(t, err)
	second := first
	first.Description = "first"
	updated, err := scope.UpdateEndpoint(t.Context(), first)
	require.NoError(t, err)
	assert.Greater(t, updated.Version, first.Version)
	second.Description = "second"
	_, err = scope.UpdateEndpoint(t.Context(), second)
	require.ErrorIs(t, err, webhook.ErrConflict)
	stored, err := scope.Endpoint(t.Context(), "one")
	require.NoError(t, err)
	assert.Equal(t, "first", stored.Description)
}

func TestOfManyConcurrentUpdatesOneWins(t *testing.T) {
	r := newRig(t, nil)
	e := r.endpoint("one")
	var wg sync.WaitGroup
	won := make(chan bool, 20)
	for i := range 20 {
		wg.Go(func() {
			mine := e
			mine.Description = fmt.Sprint(i)
			_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), mine)
			won <- err == nil
		})
	}
	wg.Wait()
	close(won)
	wins := 0
	for w := range won {
		wins += b2i(w)
	}
	assert.Equal(t, 1, wins)
}

func TestAnUpdateKeepsHeadersWithEmptyValuesAndRemovesThoseLeftOut(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one", func(e *webhook.Endpoint) {
			e.Header = map[string]webhook.Secret{"X-Keep": "kept", "X-Change": "old", "X-Drop": "dropped"}
		})
		e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)
		delete(e.Header, "X-Drop")
		e.Header["x-change"] = "new"
		delete(e.Header, "X-Change")
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		r.emit("evt")
		synctest.Wait()
		h := r.net.Sent()[0].Header
		assert.Equal(t, "kept", h.Get("X-Keep"))
		assert.Equal(t, "new", h.Get("X-Change"))
		assert.Empty(t, h.Get("X-Drop"))
	})
}

func TestBadEndpointsAreRefusedAndNothingIsStored(t *testing.T) {
	long := strings.Repeat("x", 256)
	for name, change := range map[string]func(*webhook.Endpoint){
		"Endpoint.URL missing":          func(e *webhook.Endpoint) { e.URL = "" },
		"Endpoint.URL scheme":           func(e *webhook.Endpoint) { e.URL = "ftp://a.example" },
		"Endpoint.URL plain http":       func(e *webhook.Endpoint) { e.URL = "http://a.example" },
		"Endpoint.URL no host":          func(e *webhook.Endpoint) { e.URL = "https:///x" },
		"Endpoint.URL userinfo":         func(e *webhook.Endpoint) { e.URL = "https://u:p@a.example" },
		"Endpoint.URL fragment":         func(e *webhook.Endpoint) { e.URL = "https://a.example/#x" },
		"Endpoint.URL port 0":           func(e *webhook.Endpoint) { e.URL = "https://a.example:0/" },
		"Endpoint.URL long":             func(e *webhook.Endpoint) { e.URL = "https://a.example/" + strings.Repeat("x", 2048) },
		"Endpoint.URL not ASCII":        func(e *webhook.Endpoint) { e.URL = "https://bücher.example" },
		"Endpoint.URL loopback":         func(e *webhook.Endpoint) { e.URL = "https://127.0.0.1/" },
		"Endpoint.URL metadata":         func(e *webhook.Endpoint) { e.URL = "https://169.254.169.254/latest/meta-data/" },
		"Endpoint.Events none":          func(e *webhook.Endpoint) { e.Events = nil },
		"Endpoint.Events[1] twice":      func(e *webhook.Endpoint) { e.Events = []string{"a.b", "a.b"} },
		"Endpoint.Events[0] middle":     func(e *webhook.Endpoint) { e.Events = []string{"a.*.b"} },
		"Endpoint.Events[0] unlisted":   func(e *webhook.Endpoint) { e.Events = []string{"z"} },
		"Endpoint.Events[0] no such":    func(e *webhook.Endpoint) { e.Events = []string{"z.*"} },
		"Endpoint.ID dot":               func(e *webhook.Endpoint) { e.ID = "a.b" },
		"Endpoint.ID long":              func(e *webhook.Endpoint) { e.ID = long },
		"Endpoint.Tenant other":         func(e *webhook.Endpoint) { e.Tenant = "other" },
		"Endpoint.Channel long":         func(e *webhook.Endpoint) { e.Channel = long },
		"Endpoint.Description long":     func(e *webhook.Endpoint) { e.Description = strings.Repeat("x", 1025) },
		"Endpoint.State unknown":        func(e *webhook.Endpoint) { e.State = "asleep" },
		"Endpoint.Profile unknown":      func(e *webhook.Endpoint) { e.Profile = "asleep" },
		"Endpoint.Metadata empty key":   func(e *webhook.Endpoint) { e.Metadata = map[string]string{"": "x"} },
		"Endpoint.Header reserved":      func(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"host": "x"} },
		"Endpoint.Header malformed":     func(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"a b": "x"} },
		"Endpoint.Header empty":         func(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"x": ""} },
		"Endpoint.Timeout long":         func(e *webhook.Endpoint) { e.Timeout = 31 * time.Second },
		"Endpoint.Timeout negative":     func(e *webhook.Endpoint) { e.Timeout = -1 },
		"Endpoint.MaxInFlight negative": func(e *webhook.Endpoint) { e.MaxInFlight = -1 },
		"Endpoint.MaxInFlight large":    func(e *webhook.Endpoint) { e.MaxInFlight = 1001 },
		"Endpoint.Rate negative":        func(e *webhook.Endpoint) { e.Rate = -1 },
		"Endpoint.Rate small":           func(e *webhook.Endpoint) { e.Rate = 0.00099 },
		"Endpoint.Rate large":           func(e *webhook.Endpoint) { e.Rate = 10_000.1 },
		"Endpoint.Rate no number":       func(e *webhook.Endpoint) { e.Rate = math.NaN() },
		"Endpoint.Rate infinite":        func(e *webhook.Endpoint) { e.Rate = math.Inf(1) },
		"Endpoint.Burst negative":       func(e *webhook.Endpoint) { e.Burst = -1 },
		"Endpoint.Burst large":          func(e *webhook.Endpoint) { e.Burst = 10_001 },
		"Endpoint.Secret short":         func(e *webhook.Endpoint) { e.Secret = "whsec_c2hvcnQ=" },
		"Endpoint.Secret not base64":    func(e *webhook.Endpoint) { e.Secret = "whsec_!" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.EventTypes = map[string]string{"a.b": ""} })
			e := webhook.Endpoint{URL: "https://a.example", Events: []string{"a.b"}}
			change(&e)
			_, err := r.Tenant(acme).CreateEndpoint(t.Context(), e)
			var fe *webhook.FieldError
			require.ErrorAs(t, err, &fe)
			field, _, _ := strings.Cut(name, " ")
			assert.True(t, strings.HasPrefix(fe.Field, field), "%v", fe)
			assert.NotEmpty(t, fe.Problem)
			assert.NotEmpty(t, fe.Cure)
			assert.NotContains(t, err.Error(), "u:p")
			page, err := r.AllTenants().Endpoints(t.Context(), webhook.Query{})
			require.NoError(t, err)
			assert.Empty(t, page.Items)

			// The same is true of an update, except for fields that an update does not change.
			if e.ID != "" || e.Secret != "" {
				return
			}
			good := r.endpoint("good", func(e *webhook.Endpoint) { e.Events = []string{"a.b"} })
			bad := good
			bad.Header = nil
			change(&bad)
			_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), bad)
			require.ErrorIs(t, err, webhook.ErrInvalid)
			stored, err := r.Tenant(acme).Endpoint(t.Context(), "good")
			require.NoError(t, err)
			assert.Equal(t, good.Version, stored.Version)
		})
	}
}

func TestATenantHasMaxEndpointsAtMost(t *testing.T) {
	r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.MaxEndpoints = 2 })
	r.endpoint("one")
	r.endpoint("two")
	three := webhook.Endpoint{ID: "three", URL: "https://a.example", Events: []string{"*"}}
	_, err := r.Tenant(acme).CreateEndpoint(t.Context(), three)
	require.ErrorIs(t, err, webhook.ErrInvalid)
	require.ErrorContains(t, err, "Config.MaxEndpoints")
	_, err = r.Tenant("other").CreateEndpoint(t.Context(), three)
	require.NoError(t, err)
	require.NoError(t, r.Tenant(acme).DeleteEndpoint(t.Context(), "one"))
	_, err = r.Tenant(acme).CreateEndpoint(t.Context(), three)
	require.NoError(t, err)
}

func TestNothingOfATenantIsReachableFromAnothersScope(t *testing.T) {
	r := newRig(t, nil)
	e := r.endpoint("one")
	r.emit("evt")
	ctx, other := t.Context(), r.Tenant("other")
	_, err := other.Endpoint(ctx, "one")
	require.ErrorIs(t, err, webhook.ErrNotFound)
	e.Tenant = ""
	_, err = other.UpdateEndpoint(ctx, e)
	require.ErrorIs(t, err, webhook.ErrNotFound)
	_, err = other.RotateSecret(ctx, "one", 0)
	require.ErrorIs(t, err, webhook.ErrNotFound)
	_, err = other.RetireSecrets(ctx, "one")
	require.ErrorIs(t, err, webhook.ErrNotFound)
	_, err = other.Test(ctx, "one")
	require.ErrorIs(t, err, webhook.ErrNotFound)
	require.ErrorIs(t, other.DeleteEndpoint(ctx, "one"), webhook.ErrNotFound)
	one := webhook.Query{EventID: "evt", EndpointID: "one"}
	require.ErrorIs(t, other.RetryDelivery(ctx, "evt", "one"), webhook.ErrNotFound)
	require.ErrorIs(t, other.CancelDelivery(ctx, "evt", "one"), webhook.ErrNotFound)
	recovered, err := other.Cancel(ctx, webhook.Query{All: true})
	require.NoError(t, err)
	assert.Zero(t, recovered.Changed)
	deliveries, err := other.Deliveries(ctx, webhook.Query{})
	require.NoError(t, err)
	assert.Empty(t, deliveries.Items)
	attempts, err := other.Attempts(ctx, one)
	require.NoError(t, err)
	assert.Empty(t, attempts.Items)
	events, err := other.Events(ctx, webhook.Query{EventID: "evt"})
	require.NoError(t, err)
	assert.Empty(t, events.Items)
	require.NoError(t, other.Erase(ctx))
	assert.Equal(t, 1, r.count())
	for _, q := range []webhook.Query{{Tenant: acme}, {AllTenants: true}} {
		_, err = other.Deliveries(ctx, q)
		require.ErrorIs(t, err, webhook.ErrInvalid)
	}
}

func TestTheEmptyTenantIsAnErrorEverywhere(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	r.emit("evt")
	ctx, nobody := t.Context(), r.Tenant("")
	errs := map[string]error{}
	_, errs["CreateEndpoint"] = nobody.CreateEndpoint(ctx, webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
	_, errs["Endpoint"] = nobody.Endpoint(ctx, "one")
	_, errs["Endpoints"] = nobody.Endpoints(ctx, webhook.Query{})
	_, errs["UpdateEndpoint"] = nobody.UpdateEndpoint(ctx, webhook.Endpoint{ID: "one"})
	errs["DeleteEndpoint"] = nobody.DeleteEndpoint(ctx, "one")
	_, errs["RotateSecret"] = nobody.RotateSecret(ctx, "one", 0)
	_, errs["RetireSecrets"] = nobody.RetireSecrets(ctx, "one")
	_, errs["VerifySecret"] = nobody.VerifySecret(ctx, "one", "x")
	_, errs["Test"] = nobody.Test(ctx, "one")
	_, errs["Events"] = nobody.Events(ctx, webhook.Query{})
	_, errs["Deliveries"] = nobody.Deliveries(ctx, webhook.Query{})
	_, errs["Attempts"] = nobody.Attempts(ctx, webhook.Query{EventID: "evt"})
	_, errs["Retry"] = nobody.Retry(ctx, webhook.Query{All: true})
	_, errs["Cancel"] = nobody.Cancel(ctx, webhook.Query{All: true})
	errs["RetryDelivery"] = nobody.RetryDelivery(ctx, "evt", "one")
	errs["CancelDelivery"] = nobody.CancelDelivery(ctx, "evt", "one")
	errs["Erase"] = nobody.Erase(ctx)
	_, errs["Emit"] = r.Emit(ctx, webhook.Event{Type: "a"})
	for name, err := range errs {
		require.ErrorIs(t, err, webhook.ErrInvalid, name)
	}
}

func TestAllTenantsReadsAndRecoversAndCreatesNothing(t *testing.T) {
	r := newRig(t, nil)
	e := r.endpoint("one")
	r.emit("evt")
	ctx, all := t.Context(), r.AllTenants()
	page, err := all.Deliveries(ctx, webhook.Query{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 1)
	narrowed, err := all.Deliveries(ctx, webhook.Query{Tenant: "other"})
	require.NoError(t, err)
	assert.Empty(t, narrowed.Items)
	canceled, err := all.Cancel(ctx, webhook.Query{All: true})
	require.NoError(t, err)
	assert.Equal(t, 1, canceled.Changed)
	e.State = webhook.EndpointPaused
	_, err = all.UpdateEndpoint(ctx, e)
	require.NoError(t, err, "an update of a read endpoint, for bulk pauses")
	_, err = all.CreateEndpoint(ctx, e)
	require.ErrorIs(t, err, webhook.ErrInvalid)
	_, err = all.Endpoint(ctx, "one")
	require.ErrorIs(t, err, webhook.ErrInvalid)
	require.ErrorIs(t, all.DeleteEndpoint(ctx, "one"), webhook.ErrInvalid)
	require.ErrorIs(t, all.Erase(ctx), webhook.ErrInvalid)
	require.ErrorIs(t, all.RetryDelivery(ctx, "evt", "one"), webhook.ErrInvalid)
	require.ErrorIs(t, all.CancelDelivery(ctx, "evt", "one"), webhook.ErrInvalid)
}

func TestAQueryFieldThatDoesNotApplyIsRefused(t *testing.T) {
	r := newRig(t, nil)
	scope, ctx := r.Tenant(acme), t.Context()
	var errs []error
	add := func(err error) { errs = append(errs, err) }
	_, err := scope.Endpoints(ctx, webhook.Query{EventID: "evt"})
	add(err)
	_, err = scope.Events(ctx, webhook.Query{State: webhook.DeliveryFailed})
	add(err)
	_, err = scope.Events(ctx, webhook.Query{Status: 500})
	add(err)
	_, err = scope.Deliveries(ctx, webhook.Query{Limit: 1001})
	add(err)
	_, err = scope.Deliveries(ctx, webhook.Query{Limit: -1})
	add(err)
	_, err = scope.Deliveries(ctx, webhook.Query{State: "sending"})
	add(err)
	_, err = scope.Deliveries(ctx, webhook.Query{Cursor: "garbage"})
	add(err)
	_, err = scope.Attempts(ctx, webhook.Query{})
	add(err)
	_, err = scope.Attempts(ctx, webhook.Query{EndpointID: "one", FinishedTo: time.Now()})
	add(err)
	_, err = scope.Deliveries(ctx, webhook.Query{All: true})
	add(err)
	_, err = scope.Cancel(ctx, webhook.Query{EventID: "evt", FinishedFrom: time.Now()})
	add(err)
	_, err = scope.Cancel(ctx, webhook.Query{EventID: "evt", State: webhook.DeliveryPending})
	add(err)
	_, err = scope.Retry(ctx, webhook.Query{Class: webhook.ClassDNS})
	add(err)
	for i, err := range errs {
		require.ErrorIs(t, err, webhook.ErrInvalid, "%d", i)
	}
}

func TestEventsShowTheNamesOfTheirHeadersOnly(t *testing.T) {
	r := newRig(t, nil)
	r.endpoint("one")
	_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a", Data: 1, Header: map[string]string{"X-Signature": "canary"}})
	require.NoError(t, err)
	page, err := r.Tenant(acme).Events(t.Context(), webhook.Query{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"X-Signature": ""}, page.Items[0].Header)
	assert.IsType(t, json.RawMessage{}, page.Items[0].Data)
}

func TestEraseRemovesATenant(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		require.NoError(t, r.Tenant(acme).Erase(t.Context()))
		assert.Zero(t, r.count())
		_, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.ErrorIs(t, err, webhook.ErrNotFound)
		r.endpoint("one")
	})
}

// The endpoint cache, the store and workers use the stored maps and slices meanwhile.
func TestTheCallerOwnsTheEndpointsThatItGets(t *testing.T) {
	r := newRig(t, nil)
	ctx, scope := t.Context(), r.Tenant(acme)
	created, err := scope.CreateEndpoint(ctx, webhook.Endpoint{
		ID: "one", URL: "https://a.example", Events: []string{"a"}, Metadata: map[string]string{"k": "v"},
	})
	require.NoError(t, err)
	read, err := scope.Endpoint(ctx, "one")
	require.NoError(t, err)
	page, err := scope.Endpoints(ctx, webhook.Query{})
	require.NoError(t, err)
	updated, err := scope.UpdateEndpoint(ctx, read)
	require.NoError(t, err)
	rotated, err := scope.RotateSecret(ctx, "one", 0)
	require.NoError(t, err)
	for _, e := range []webhook.Endpoint{created, read, page.Items[0], updated, rotated} {
		e.Events[0], e.Metadata["k"] = "spoilt", "spoilt"
	}
	again, err := scope.Endpoint(ctx, "one")
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, again.Events)
	assert.Equal(t, map[string]string{"k": "v"}, again.Metadata)
}
