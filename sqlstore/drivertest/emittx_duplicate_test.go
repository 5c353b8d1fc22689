package drivertest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestADuplicateLeavesTheTransactionUsable(t *testing.T) {
	eachWay(t, func(t *testing.T, h *host, begin func(*testing.T) transaction) {
		d := h.worker(t, soon)
		acme := newCustomer(t, d)
		first := begin(t)
		_, err := d.EmitTx(t.Context(), h.store.Tx(first), acme.event("first", "1"))
		require.NoError(t, err)
		require.NoError(t, first.commit())
		assert.Equal(t, []string{"1"}, acme.got(1))

		tx := begin(t)
		order := h.order(t, tx)
		receipts, err := d.EmitTx(t.Context(), h.store.Tx(tx),
			acme.event("first", "1"), acme.event("second", "2"), acme.event("second", "2"))
		require.NoError(t, err)
		assert.Equal(t, []webhook.Receipt{
			{EventID: "first", Duplicate: true}, {EventID: "second", Deliveries: -1}, {EventID: "second", Duplicate: true},
		}, receipts)
		receipts, err = d.EmitTx(t.Context(), h.store.Tx(tx), acme.event("second", "2"), acme.event("third", "3"))
		require.NoError(t, err)
		assert.Equal(t, []webhook.Receipt{{EventID: "second", Duplicate: true}, {EventID: "third", Deliveries: -1}}, receipts)
		require.NoError(t, tx.commit())

		assert.ElementsMatch(t, []string{"1", "2", "3"}, acme.got(3))
		assert.True(t, h.ordered(t, order))
		assert.ElementsMatch(t, []string{"first", "second", "third"}, acme.stored())
	})
}

func TestAConflictWritesNoEventOfItsCallAndLeavesTheTransactionUsable(t *testing.T) {
	eachWay(t, func(t *testing.T, h *host, begin func(*testing.T) transaction) {
		d := h.worker(t, soon)
		acme := newCustomer(t, d)
		first := begin(t)
		_, err := d.EmitTx(t.Context(), h.store.Tx(first), acme.event("first", "1"))
		require.NoError(t, err)
		require.NoError(t, first.commit())
		assert.Equal(t, []string{"1"}, acme.got(1))

		tx := begin(t)
		order := h.order(t, tx)
		_, err = d.EmitTx(t.Context(), h.store.Tx(tx), acme.event("second", "2"))
		require.NoError(t, err)
		receipts, err := d.EmitTx(t.Context(), h.store.Tx(tx),
			acme.event("first", "1"), acme.event("second", "2"), acme.event("lost", "lost"), acme.event("", "lost"),
			acme.event("first", "other content"), acme.event("", "lost"))
		require.ErrorIs(t, err, webhook.ErrConflict)
		assert.ErrorContains(t, err, `events[4]: event id "first" was used with other content`)
		assert.Len(t, receipts, 6)
		_, err = d.EmitTx(t.Context(), h.store.Tx(tx), acme.event("second", "other content of this transaction's own"))
		require.ErrorIs(t, err, webhook.ErrConflict)

		_, err = d.EmitTx(t.Context(), h.store.Tx(tx), acme.event("third", "3"))
		require.NoError(t, err)
		last := h.order(t, tx)
		require.NoError(t, tx.commit())

		assert.ElementsMatch(t, []string{"1", "2", "3"}, acme.got(3))
		assert.ElementsMatch(t, []string{"first", "second", "third"}, acme.stored())
		assert.True(t, h.ordered(t, order))
		assert.True(t, h.ordered(t, last))
		assert.Zero(t, h.count(t, "SELECT count(*) FROM webhook_outbox"), "a claim takes all there is")
	})
}
