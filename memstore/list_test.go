package memstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

func TestWhatTheCallerKeepsIsNotTheStores(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	made := func() webhook.Endpoint {
		e := endpoint("acme", "ep1")
		e.Metadata = map[string]string{"a": "1"}
		e.Header = map[string]webhook.Secret{"A": "1"}
		e.Secrets = []webhook.EndpointSecret{{Value: "whsec_1"}}
		return e
	}
	spoil := func(e webhook.Endpoint) {
		e.Events[0], e.Metadata["a"], e.Header["A"], e.Secrets[0].Value = "spoilt", "spoilt", "spoilt", "spoilt"
	}
	get := func() webhook.Endpoint {
		found, err := tr.Refresh(t.Context(), []webhook.EndpointKey{{Tenant: "acme", ID: "ep1"}})
		require.NoError(t, err)
		return found[0]
	}
	e := made()
	require.NoError(t, tr.CreateEndpoint(t.Context(), e, 0))
	spoil(e)
	assert.Equal(t, made(), get())
	e = made()
	_, err := tr.UpdateEndpoint(t.Context(), e)
	require.NoError(t, err)
	spoil(e)
	want := made()
	want.Version = 2
	assert.Equal(t, want, get())

	event := tr.named("e1", leased("ep1")...)
	tr.stored(event)
	a := &webhook.Attempt{StartedAt: start, ResponseBody: []byte("body")}
	tr.settle(event, "ep1", 1, webhook.DeliverySucceeded, a)
	a.ResponseBody[0] = '?'
	got := tr.log(webhook.Query{EventID: "e1"})[0]
	assert.Equal(t, "body", string(got.ResponseBody))
	got.ResponseBody[0] = '?'
	assert.Equal(t, "body", string(tr.log(webhook.Query{EventID: "e1"})[0].ResponseBody))
}

func TestAPageIsAtMostAboutFourMegabytes(t *testing.T) {
	const large = 1 << 20
	tr := newTrial(t, memstore.Options{})
	for i := range 6 {
		e := endpoint("acme", fmt.Sprint(i))
		e.Description = strings.Repeat("x", large)
		require.NoError(t, tr.CreateEndpoint(t.Context(), e, 0))
		event := sized(tr.named(fmt.Sprint(i), leased(e.ID)...), large)
		tr.stored(event)
		tr.settle(event, e.ID, 1, webhook.DeliveryPending, &webhook.Attempt{StartedAt: start, ResponseBody: make([]byte, large)})
	}
	var rows []webhook.NewDelivery
	for i := range 6 {
		rows = append(rows, webhook.NewDelivery{
			EndpointID: fmt.Sprint(i), State: webhook.DeliverySucceeded, Attempt: &webhook.Attempt{StartedAt: start, ResponseBody: make([]byte, large)},
		})
	}
	tr.stored(tr.named("many", rows...))
	q := webhook.Query{Tenant: "acme"}
	endpoints, err := tr.Endpoints(t.Context(), q)
	require.NoError(t, err)
	events, err := tr.Events(t.Context(), q)
	require.NoError(t, err)
	q.EventID = "many"
	attempts, err := tr.Attempts(t.Context(), q)
	require.NoError(t, err)
	assert.Len(t, endpoints.Items, 3)
	assert.Len(t, events.Items, 4, "one of them is small")
	assert.Len(t, attempts.Items, 3)
	for _, next := range []string{endpoints.Next, events.Next, attempts.Next} {
		assert.NotEmpty(t, next)
	}
	q.Cursor = attempts.Next
	attempts, err = tr.Attempts(t.Context(), q)
	require.NoError(t, err)
	assert.Len(t, attempts.Items, 3)
	assert.Empty(t, attempts.Next)
}

func TestAPageReadsABoundedNumberOfRows(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	names := tr.endpoints(1500)
	for i, id := range names {
		e := tr.event("acme", leased(id)...)
		if i == 0 {
			e.Type = "rare"
		}
		tr.stored(e)
		tr.settle(e, id, 1, webhook.DeliverySucceeded, &webhook.Attempt{StartedAt: start, Status: 200 + min(i, 1)})
	}
	tr.stored(tr.named("many", func() (rows []webhook.NewDelivery) {
		for i, id := range names {
			a := &webhook.Attempt{StartedAt: start, Status: 200 + min(i, 1)}
			rows = append(rows, webhook.NewDelivery{EndpointID: id, State: webhook.DeliverySucceeded, Attempt: a})
		}
		return rows
	}()...))
	q := webhook.Query{Tenant: "acme", Type: "rare"}
	events, err := tr.Events(t.Context(), q)
	require.NoError(t, err)
	deliveries, err := tr.Deliveries(t.Context(), q, start)
	require.NoError(t, err)
	attempts, err := tr.Attempts(t.Context(), webhook.Query{Tenant: "acme", EventID: "many", Status: 200})
	require.NoError(t, err)
	endpoints, err := tr.Endpoints(t.Context(), webhook.Query{AllTenants: true, EndpointID: names[1400]})
	require.NoError(t, err)
	for _, page := range []struct {
		items int
		next  string
	}{
		{len(events.Items), events.Next},
		{len(deliveries.Items), deliveries.Next},
		{len(attempts.Items), attempts.Next},
		{len(endpoints.Items), endpoints.Next},
	} {
		assert.Zero(t, page.items)
		assert.NotEmpty(t, page.next)
	}
	q.Cursor = events.Next
	events, err = tr.Events(t.Context(), q)
	require.NoError(t, err)
	assert.Len(t, events.Items, 1)
	assert.Empty(t, events.Next)
}

func TestEventsOfOneIDAreListedOverAllTenants(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	tenants := []string{"a", "b", "c", "d"}
	for _, tenant := range tenants {
		e := tr.named("e1")
		e.Tenant = tenant
		tr.stored(e)
	}
	var got []string
	for q := (webhook.Query{AllTenants: true, EventID: "e1", Limit: 1}); ; {
		page, err := tr.Events(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		got = append(got, page.Items[0].Tenant)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	assert.Equal(t, []string{"d", "c", "b", "a"}, got)
}
