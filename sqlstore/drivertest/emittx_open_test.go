package drivertest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// The rows that EmitTx has inserted are locked until the application's transaction ends, which
// may be long. Nobody else needs them.
func TestAnOpenTransactionWithEventsHoldsUpNoOtherEvents(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.worker(t, soon)
		acme, other := newCustomer(t, api), newCustomer(t, api)
		batch := func(c *customer, n int) (events []webhook.Event) {
			for i := range n {
				events = append(events, c.event("", fmt.Sprint(i)))
			}
			return events
		}
		for _, held := range []int{1, 6} {
			open := beginSQL(t, h)
			_, err := api.EmitTx(t.Context(), h.store.Tx(open), batch(acme, held)...)
			require.NoError(t, err)
			for _, n := range []int{1, 2, 3, 4, 6, 12} {
				tx := beginSQL(t, h)
				_, err := api.EmitTx(t.Context(), h.store.Tx(tx), batch(other, n)...)
				require.NoError(t, err)
				require.NoError(t, tx.commit())
				api.Wake()
				other.got(len(other.Received()) + n)
			}
			require.NoError(t, open.rollback())
		}
		assert.Empty(t, acme.stored())
	})
}
