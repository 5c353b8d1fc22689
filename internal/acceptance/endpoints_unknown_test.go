package acceptance

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// unsureStore is a Store. If fails is set, its CreateEndpoint returns an error. If commits is
// set too, it has created the endpoint nevertheless.
type unsureStore struct {
	webhook.Store
	fails, commits bool
}

func (s *unsureStore) CreateEndpoint(ctx context.Context, e webhook.Endpoint, limit int) error {
	if s.fails && !s.commits {
		return errStore
	}
	if err := s.Store.CreateEndpoint(ctx, e, limit); err != nil || !s.fails {
		return err
	}
	return errStore
}

func TestACreationOfUnknownOutcomeIsRepeatedWithoutASecondEndpoint(t *testing.T) {
	for name, commits := range map[string]bool{"created": true, "not created": false} {
		for _, id := range []string{"", "mine"} {
			t.Run(name+" "+id, func(t *testing.T) {
				store := &unsureStore{Store: memstore.New(memstore.Options{}), fails: true, commits: commits}
				d, err := webhook.New(store, webhook.Config{Logger: quiet, RevealSecrets: true})
				require.NoError(t, err)
				scope := d.Tenant(acme)
				e := webhook.Endpoint{ID: id, URL: "https://a.example", Events: []string{"*"}, Header: map[string]webhook.Secret{"X-Key": "value"}}
				unsure, err := scope.CreateEndpoint(t.Context(), e)
				require.ErrorIs(t, err, errStore)
				require.ErrorContains(t, err, unsure.ID)
				require.NotEmpty(t, unsure.ID)
				require.NotEmpty(t, unsure.Secret)

				store.fails = false
				e.ID, e.Secret = unsure.ID, unsure.Secret
				_, err = scope.CreateEndpoint(t.Context(), e)
				if commits {
					require.ErrorIs(t, err, webhook.ErrConflict)
				} else {
					require.NoError(t, err)
				}
				page, err := scope.Endpoints(t.Context(), webhook.Query{})
				require.NoError(t, err)
				require.Len(t, page.Items, 1)
				assert.Equal(t, unsure.ID, page.Items[0].ID)
				assert.Equal(t, unsure.Secret, page.Items[0].Secret)
			})
		}
	}
}

func TestACreationThatIsRefusedReturnsNoID(t *testing.T) {
	r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.MaxEndpoints = 2 })
	r.endpoint("taken")
	for name, e := range map[string]webhook.Endpoint{
		"taken":   {ID: "taken", URL: "https://a.example", Events: []string{"*"}},
		"refused": {ID: "other", URL: "ftp://a.example", Events: []string{"*"}},
	} {
		got, err := r.Tenant(acme).CreateEndpoint(t.Context(), e)
		require.Error(t, err, name)
		assert.Zero(t, got, name)
	}
	r.endpoint("second")
	got, err := r.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
	require.ErrorIs(t, err, webhook.ErrLimit)
	assert.Zero(t, got)
}
