package drivertest

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// A pairStore refreshes each endpoint together with another one, and passes on the answers
// about one tenant's deliveries.
type pairStore struct {
	*sqlstore.Store
	with    webhook.EndpointKey
	tenant  string
	settled chan webhook.Settlement
}

func (s *pairStore) Refresh(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
	return s.Store.Refresh(ctx, append(slices.Clone(keys), s.with))
}

func (s *pairStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	out, err := s.Store.Settle(ctx, now, items)
	for i := range items {
		if items[i].Endpoint.Tenant == s.tenant && err == nil {
			s.settled <- items[i]
		}
	}
	return out, err
}

// A later version of the application replaces an endpoint while a delivery waits in this
// process. The endpoint exists, so the delivery must not end as one of a deleted endpoint.
func TestADeliveryWaitsWhileItsEndpointCannotBeRead(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		store := &pairStore{
			Store: d.migrated(t), with: webhook.EndpointKey{Tenant: "good", ID: "ep1"}, tenant: "bad", settled: make(chan webhook.Settlement, 1000),
		}
		began, answer := make(chan bool, 10), make(chan bool)
		disp, err := webhook.New(store, webhook.Config{
			Logger: slog.New(slog.DiscardHandler),
			Transport: &webhooktest.Transport{Answer: func(context.Context, *webhook.Request) (*webhook.Response, error) {
				began <- true
				<-answer
				return &webhook.Response{StatusCode: 200}, nil
			}},
		})
		require.NoError(t, err)
		for _, tenant := range []string{"bad", "good"} {
			_, err := disp.Tenant(tenant).CreateEndpoint(t.Context(), webhook.Endpoint{
				ID: "ep1", URL: "https://" + tenant + ".example/", Events: []string{"*"}, MaxInFlight: 1,
			})
			require.NoError(t, err)
		}
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- disp.Run(ctx) }()
		defer func() {
			stop()
			assert.NoError(t, <-ended)
		}()
		emit := func(id string) {
			_, err := disp.Emit(t.Context(), webhook.Event{Tenant: "bad", Type: "a.b", ID: id})
			require.NoError(t, err)
		}
		emit("evt1")
		<-began
		emit("evt2")
		require.Eventually(t, func() bool {
			return countWhere(t, store.DB(), "webhook_queue WHERE lease_no = 1") == 2
		}, time.Minute, 5*time.Millisecond, "the second waits for the first")

		for _, query := range []string{
			`UPDATE webhook_endpoints SET metadata = '{"a":1}' WHERE tenant = 'bad'`,
			`UPDATE webhook_status SET version = version + 1 WHERE tenant = 'bad'`,
		} {
			_, err = store.DB().ExecContext(t.Context(), query)
			require.NoError(t, err)
		}
		emit("evt3") // so the process learns that its copy of the endpoint is old
		close(answer)
		for sent, waits := false, false; !sent || !waits; {
			item := <-store.settled
			if item.Attempt != nil {
				sent = true
				continue
			}
			waits = true
			assert.Equal(t, webhook.DeliveryPending, item.State, "%s", item.Reason)
		}
		assert.Equal(t, 2, countWhere(t, store.DB(), "webhook_queue"), "both wait for the endpoint")
	})
}
