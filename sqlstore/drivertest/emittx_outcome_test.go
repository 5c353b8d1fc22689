package drivertest

import (
	"testing"
	"time"

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

// A duplicate changes its own event, and so locks it until the transaction ends; MariaDB also
// locks the ids right before its.
func TestAnOpenTransactionWithADuplicateHoldsUpNoClaimAndNoOtherEvent(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme, other := newCustomer(t, api), newCustomer(t, api)
		if acme.tenant > other.tenant {
			acme, other = other, acme // no id of the other is before one of the first
		}
		unheard := webhook.Event{Tenant: "0", ID: "evt", Type: "order.placed"} // a claim deletes it, since nobody receives it
		_, err := api.EmitTx(t.Context(), h.store, unheard, acme.event("evt", "1"))
		require.NoError(t, err)

		open := beginSQL(t, h)
		defer func() { _ = open.rollback() }() // when the test fails
		receipts, err := api.EmitTx(t.Context(), h.store.Tx(open), unheard, acme.event("evt", "1"))
		require.NoError(t, err)
		assert.Equal(t, []webhook.Receipt{{EventID: "evt", Duplicate: true}, {EventID: "evt", Duplicate: true}}, receipts)

		run(t, api)
		assert.Equal(t, []string{"1"}, acme.got(1))
		_, err = api.EmitTx(t.Context(), h.store, other.event("", "2"))
		require.NoError(t, err)
		_, err = api.Emit(t.Context(), other.event("", "3"))
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"2", "3"}, other.got(2))
		_, err = api.Emit(t.Context(), acme.event("evu", "4"))
		require.NoError(t, err)
		assert.Contains(t, acme.got(2), "4")

		for id, waits := range map[string]bool{"evt": true, "evs": d.name == mysql.name} {
			began := time.Now()
			_, err := api.Emit(t.Context(), acme.event(id, "1"))
			assert.Less(t, time.Since(began), tooLong()/2, "it waits for about a second")
			if waits {
				assert.ErrorContains(t, err, "EmitTx", id)
			} else {
				assert.NoError(t, err, id)
			}
		}
		require.NoError(t, open.commit())
		require.Eventually(t, func() bool { return h.count(t, "SELECT count(*) FROM webhook_outbox") == 0 }, long, soon)
		receipt, err := api.Emit(t.Context(), acme.event("evt", "1"))
		require.NoError(t, err)
		assert.True(t, receipt.Duplicate)
	})
}
