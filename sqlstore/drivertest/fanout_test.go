package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// An event is for very many endpoints. Some have several patterns that match, some a channel,
// and some are not active. Each endpoint that Match would return at that moment must get one
// delivery.
func TestAFanOutInPartsMakesOneDeliveryForEachThatMatches(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		const endpoints = 2600
		s := newScene(t, d.migrated(t))
		f := d.fill(t, s.store.DB(), s.now)
		f.endpoints(1, endpoints)
		more := func(pattern, last string) {
			f.exec(fmt.Sprintf("INSERT INTO webhook_subscriptions (tenant, pattern, channel, endpoint_id, ref) "+
				"SELECT tenant, '%s', '', id, ref FROM filled WHERE id LIKE '%%%s'", pattern, last))
		}
		more("*", "2")
		more("*", "4")
		more("order.paid", "4")
		f.exec("UPDATE webhook_subscriptions SET channel = 'web' WHERE endpoint_id LIKE '%5'")
		f.exec("UPDATE webhook_subscriptions SET channel = 'app' WHERE endpoint_id LIKE '%9'")
		f.exec("UPDATE webhook_status SET state = 'disabled' WHERE id LIKE '%7'")
		f.exec("UPDATE webhook_status SET state = 'paused', version = 5 WHERE id LIKE '%8'")

		e := s.event("tenant_0", "wide")
		e.Type, e.Channel, e.Deliveries = "order.paid", "web", nil
		s.publish(e)
		s.now = s.now.Add(time.Second)
		expand := func() {
			_, err := s.store.Claim(t.Context(), webhook.ClaimRequest{Now: s.now, LeaseUntil: s.now.Add(time.Minute)})
			require.NoError(t, err)
		}
		expand()
		// Between the parts, two of those that are yet to come leave.
		require.NoError(t, s.store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "tenant_0", ID: "ep_998"}, 0, s.now))
		f.exec("UPDATE webhook_status SET state = 'disabled' WHERE id = 'ep_996'")
		for range 3 {
			expand()
		}
		assert.Zero(t, s.rowsOf("outbox"))

		want := make(map[string]int64)
		for i := range endpoints {
			switch {
			case i%10 == 7, i%10 == 9, i == 998, i == 996:
			case i%10 == 8:
				want[fmt.Sprint("ep_", i)] = 5
			default:
				want[fmt.Sprint("ep_", i)] = 1
			}
		}
		got, kinds := make(map[string]int64), make(map[string]bool)
		rows, err := s.store.DB().QueryContext(t.Context(), "SELECT endpoint_id, version, size, since, due_at, fanout, "+
			"CASE WHEN lane = ref THEN 1 ELSE 0 END, attempts, failures, leased_until, lease_no FROM webhook_queue")
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var id string
			var version int64
			var same [9]int64
			require.NoError(t, rows.Scan(&id, &version, &same[0], &same[1], &same[2], &same[3], &same[4], &same[5], &same[6], &same[7], &same[8]))
			got[id] = version
			kinds[fmt.Sprint(same)] = true
		}
		require.NoError(t, rows.Err())
		assert.Equal(t, want, got)
		assert.Len(t, kinds, 1, "deliveries of the first part, which is made differently, are like the others")
	})
}
