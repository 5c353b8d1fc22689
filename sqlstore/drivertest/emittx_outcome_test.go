package drivertest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestAnOrderAndItsEventAreCommittedOrVanishTogether(t *testing.T) {
	eachWay(t, func(t *testing.T, h *host, begin func(*testing.T) transaction) {
		h.worker(t, soon)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		seen := make(chan int, 10)
		acme.AnswerFunc(func(r webhooktest.Received) webhooktest.Answer {
			seen <- h.count(t, "SELECT count(*) FROM orders WHERE id = '"+orderOf(t, r.Body)+"'")
			return webhooktest.Answer{}
		})

		lost := begin(t)
		vanished := h.order(t, lost)
		receipts, err := api.EmitTx(t.Context(), h.store.Tx(lost), acme.event("", vanished), acme.event("evt", vanished))
		require.NoError(t, err)
		assert.Equal(t, []webhook.Receipt{{EventID: receipts[0].EventID, Deliveries: -1}, {EventID: "evt", Deliveries: -1}}, receipts)
		require.NoError(t, lost.rollback())
		assert.Empty(t, acme.stored())

		free := begin(t)
		receipts, err = api.EmitTx(t.Context(), h.store.Tx(free), acme.event("evt", "the id is free again"))
		require.NoError(t, err)
		assert.Equal(t, []webhook.Receipt{{EventID: "evt", Deliveries: -1}}, receipts)
		require.NoError(t, free.rollback())

		kept := begin(t)
		placed := h.order(t, kept)
		receipts, err = api.EmitTx(t.Context(), h.store.Tx(kept), acme.event("", placed))
		require.NoError(t, err)
		require.NoError(t, kept.commit())

		assert.Equal(t, []string{placed}, acme.got(1), "found by polling alone")
		assert.Equal(t, 1, <-seen, "the order is there when the request arrives")
		assert.Equal(t, []string{receipts[0].EventID}, acme.stored())
		assert.False(t, h.ordered(t, vanished))
		assert.Zero(t, h.count(t, "SELECT count(*) FROM webhook_outbox"), "a claim takes all there is")
	})
}

func TestWakeAfterTheCommitMakesItAtOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, h *host, begin func(*testing.T) transaction) {
		d := h.worker(t, never)
		acme := newCustomer(t, d)
		for n := range 3 { // the first may be found because Run has just begun
			tx := begin(t)
			_, err := d.EmitTx(t.Context(), h.store.Tx(tx), acme.event("", h.order(t, tx)))
			require.NoError(t, err)
			require.NoError(t, tx.commit())
			d.Wake()
			acme.got(n + 1)
		}
	})
}
