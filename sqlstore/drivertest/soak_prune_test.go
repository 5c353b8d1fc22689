package drivertest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// The rows of one day are removed in less than a day.
func TestSoakPruneRemovesFasterThanEventsCome(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		const batches, events = 40, 500
		s := newSoaker(t, d, soakHealthy)
		begin := time.Now()
		for range batches {
			s.live(events)
		}
		stored := rate(batches*events, time.Since(begin))

		begin = time.Now()
		for more := true; more; {
			var err error
			more, err = s.s.Prune(t.Context(), s.now.Add(40*day), webhook.Retention{})
			require.NoError(t, err)
		}
		removed := rate(batches*events, time.Since(begin))
		var left int
		require.NoError(t, s.s.DB().QueryRowContext(t.Context(), "SELECT count(*) FROM webhook_attempts").Scan(&left))
		assert.Zero(t, left)
		t.Logf("%-10s events with a delivery, an attempt and a body: stored %d/s, removed %d/s", d.name, stored, removed)
		assert.Greater(t, removed, stored)
	})
}

func rate(n int, took time.Duration) int { return int(float64(n) / took.Seconds()) }

// live publishes events with one delivery each, and settles them.
func (s *soaker) live(events int) {
	s.Helper()
	req := webhook.PublishRequest{Now: s.now, LeaseUntil: s.now.Add(time.Minute)}
	items := make([]webhook.Settlement, events)
	for i := range items {
		key := keyOf(i%soakHealthy, 1)
		uid := soakUID(uuid.Must(uuid.NewV7()), s.now.UnixMilli())
		req.Events = append(req.Events, webhook.EventRecord{
			UID: uid, Tenant: key.Tenant, ID: uid.String(), Type: "order.paid", Data: make([]byte, 500), Time: s.now, CreatedAt: s.now,
			NewID: true, Deliveries: []webhook.NewDelivery{{EndpointID: key.ID, Version: 1, Leased: true}},
		})
		items[i] = webhook.Settlement{
			UID: uid, Endpoint: key, LeaseNo: 1, State: webhook.DeliverySucceeded,
			Attempt: &webhook.Attempt{StartedAt: s.now, Duration: time.Millisecond, Status: 200, ResponseBody: []byte("ok")},
		}
	}
	_, err := s.s.Publish(s.Context(), req)
	require.NoError(s, err)
	_, err = s.s.Settle(s.Context(), s.now, items)
	require.NoError(s, err)
}
