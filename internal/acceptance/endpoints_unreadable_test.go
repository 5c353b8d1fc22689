package acceptance

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

var errUnreadable = errors.New(`endpoint "ep2" is not readable`)

// unreadableStore is a Store that cannot read one endpoint of each page.
type unreadableStore struct{ webhook.Store }

func (s unreadableStore) Endpoints(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
	page, err := s.Store.Endpoints(ctx, q)
	page.Unreadable = []error{errUnreadable}
	return page, err
}

func TestAListOfEndpointsReportsThoseThatCannotBeRead(t *testing.T) {
	var told []error
	d, err := webhook.New(unreadableStore{memstore.New(memstore.Options{})}, webhook.Config{
		Logger: quiet, Observer: webhook.Observer{Error: func(err error) { told = append(told, err) }},
	})
	require.NoError(t, err)
	_, err = d.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
	require.NoError(t, err)
	page, err := d.Tenant(acme).Endpoints(t.Context(), webhook.Query{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 1)
	assert.Empty(t, page.Unreadable, "the operator is told, not the tenant")
	require.Len(t, told, 1)
	require.ErrorIs(t, told[0], errUnreadable)
}
