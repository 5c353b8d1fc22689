package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// A Claim that has room for few deliveries looks at few of many endpoints, and the next one
// continues behind them.
func TestASmallClaimLooksAtFewEndpoints(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		const endpoints, room = 300, 20
		now := time.Now().Truncate(time.Microsecond).UTC()
		counter := &rowCounter{}
		dsn := d.dsn(t)
		plain := d.store(t, dsn, sqlstore.Options{})
		require.NoError(t, plain.Migrate(t.Context()))
		f := d.fill(t, plain.DB(), now)
		f.endpoints(endpoints, 1)
		ms := fmt.Sprintf("%d + k.n", now.Add(-time.Hour).UnixMilli())
		f.events(endpoints, 0, ms, "k.n", "k.n")
		f.insert(endpoints, "queue "+soakQueue, fmt.Sprintf("%s, e.id, e.ref, e.ref, %d, 0, 0, 0, 1, 0, 0, 0, 0, 11, 1, ''",
			f.uid(ms, "k.n"), now.UnixMicro()), "JOIN filled e ON e.n = k.n WHERE")

		var err error
		d.driver, err = recorder.Register(d.driver, counter.watch)
		require.NoError(t, err)
		s := d.store(t, dsn, sqlstore.Options{})
		seen, cursor := make(map[webhook.EndpointKey]bool), ""
		for len(seen) < endpoints {
			got, err := s.Claim(t.Context(), webhook.ClaimRequest{
				Now: now, LeaseUntil: now.Add(time.Minute), Max: room, MaxBytes: 1 << 20, Room: 5, Cursor: cursor,
			})
			require.NoError(t, err)
			require.Len(t, got.Deliveries, room)
			for _, l := range got.Deliveries {
				assert.False(t, seen[l.Endpoint])
				seen[l.Endpoint] = true
			}
			cursor = got.Next
			// Of each endpoint: its lane, its status, a delivery, the event and the endpoint.
			assert.LessOrEqual(t, counter.take(t), 10*room, "rows read")
		}
	})
}
