package webhookhttp_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// unsureStore is a Store whose CreateEndpoint returns an error, after it has created the
// endpoint or before.
type unsureStore struct {
	webhook.Store
	commits bool
}

func (s *unsureStore) CreateEndpoint(ctx context.Context, e webhook.Endpoint, limit int) error {
	if s.commits {
		if err := s.Store.CreateEndpoint(ctx, e, limit); err != nil {
			return err
		}
	}
	return errors.New("the connection broke")
}

// A client that cannot know whether its endpoint was created learns where to look, so that it
// makes no second one.
func TestACreationOfUnknownOutcomeSaysWhereToLook(t *testing.T) {
	for commits, status := range map[bool]int{true: 200, false: 404} {
		store := &unsureStore{Store: memstore.New(memstore.Options{}), commits: commits}
		d, err := webhook.New(store, webhook.Config{Transport: &webhooktest.Transport{}})
		require.NoError(t, err)
		h := newHandler(t, d)
		answer := send(h, "POST", "/webhooks", aBody)
		require.Equal(t, 503, answer.Code)
		assert.NotEmpty(t, answer.Header().Get("Retry-After"))
		assert.Contains(t, answer.Body.String(), "GET the path in the header Location")
		assert.NotContains(t, answer.Body.String(), "whsec_")
		at := answer.Header().Get("Location")
		require.NotEmpty(t, at)
		assert.Equal(t, status, send(h, "GET", at, "").Code)
		if commits {
			assert.Contains(t, send(h, "POST", at+"/secret/rotate", "").Body.String(), "whsec_")
		}
	}
}
