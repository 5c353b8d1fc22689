package drivertest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestCancelTakesDeliveriesThatAClaimMakesMeanwhile(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		for name, room := range sorted(map[string]int{"leased": 10, "not leased": 0}) {
			store, sab := d.sabotaged(t)
			s := newScene(t, store)
			s.endpoint("acme", "ep1")
			e := s.event("acme", "evt1")
			e.Deliveries = nil
			s.publish(e)
			made := false
			sab.sabotage(func(step string) fault {
				if made || !strings.Contains(step, "DELETE") || !strings.Contains(step, "outbox") {
					return fault{}
				}
				made = true
				return fault{then: func() {
					_, err := store.Claim(t.Context(), webhook.ClaimRequest{
						Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 10, MaxBytes: 1 << 20, Room: room,
					})
					assert.NoError(t, err)
				}}
			})
			done, err := store.Cancel(t.Context(), webhook.Query{Tenant: "acme", EventID: "evt1"}, s.now)
			require.NoError(t, err)
			sab.sabotage(nil)
			require.True(t, made)
			if room > 0 {
				assert.Equal(t, webhook.BulkResult{InFlight: 1}, done, name)
				assert.Equal(t, 1, s.rowsOf("queue"), name)
			} else {
				assert.Equal(t, webhook.BulkResult{Changed: 1}, done, name)
				assert.Equal(t, 1, s.rowsOf("deliveries"), name)
			}
			assert.Zero(t, s.rowsOf("outbox"), name)
		}
	})
}
