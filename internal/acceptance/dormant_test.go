package acceptance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// An event that only a disabled endpoint would have received stays, so that it can be replayed.
func TestAnEventForADisabledEndpointIsStored(t *testing.T) {
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{})
	require.NoError(t, err)
	scope := d.Tenant("acme")
	e, err := scope.CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://example.com/hook", Events: []string{"order.*"}})
	require.NoError(t, err)
	e.State = webhook.EndpointDisabled
	_, err = scope.UpdateEndpoint(t.Context(), e)
	require.NoError(t, err)

	for _, event := range []webhook.Event{
		{Tenant: "acme", Type: "order.paid", ID: "kept", Data: 1},
		{Tenant: "acme", Type: "member.joined", ID: "dropped"},
		{Tenant: "other", Type: "order.paid", ID: "of-another-tenant"},
	} {
		receipt, err := d.Emit(t.Context(), event)
		require.NoError(t, err)
		assert.Zero(t, receipt.Deliveries)
	}
	page, err := d.AllTenants().Events(t.Context(), webhook.Query{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.Equal(t, "kept", page.Items[0].ID)

	receipt, err := d.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: "order.paid", ID: "kept", Data: 1})
	require.NoError(t, err)
	assert.True(t, receipt.Duplicate)
	_, err = d.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: "order.paid", ID: "kept", Data: 2})
	require.ErrorIs(t, err, webhook.ErrConflict)
}
