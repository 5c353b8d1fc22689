package drivertest

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A forgetfulStore stores the first result and returns an error. It refuses all other results
// until a delivery is claimed again. So it behaves like a database that loses its answer to a
// commit and is then away for a while.
type forgetfulStore struct {
	*sqlstore.Store
	settled atomic.Bool
	back    atomic.Bool
}

var errAway = errors.New("the database is away")

func (s *forgetfulStore) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	if s.back.Load() {
		return s.Store.Settle(ctx, now, items)
	}
	if s.settled.CompareAndSwap(false, true) {
		if _, err := s.Store.Settle(ctx, now, items); err != nil {
			return webhook.Settled{}, err
		}
	}
	return webhook.Settled{}, errAway
}

func (s *forgetfulStore) Claim(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
	claimed, err := s.Store.Claim(ctx, req)
	if s.settled.Load() && len(claimed.Deliveries) > 0 {
		s.back.Store(true)
	}
	return claimed, err
}

func TestAResultWhoseStoringWasNotAnsweredIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			f := newFleet(t, d, d.dsn(t), shortLeases(manyRetries(100*time.Millisecond)...), 1)
			f.receiver.setAnswer(func(_ context.Context, r received) int {
				if r.nth == 1 {
					return http.StatusInternalServerError
				}
				return http.StatusOK
			})
			config := f.settings.config("test")
			config.Logger = f.logger
			var err error
			f.dispatcher, err = webhook.New(&forgetfulStore{Store: f.store}, config)
			require.NoError(t, err)
			f.run()
			receipt, err := f.dispatcher.Emit(t.Context(), f.event("", 0))
			require.NoError(t, err)
			f.settled([]string{receipt.EventID})
			a := f.check()
			assert.Equal(t, 2, a.requests)
			f.log(a, 1, 0, began)
		})
	}
}
