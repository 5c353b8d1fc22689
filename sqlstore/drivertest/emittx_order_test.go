package drivertest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Claims must not depend on the order of ids or times. A queue that is read behind a mark
// loses rows that commit late.
func TestATransactionThatCommitsAfterALaterOneLosesNothing(t *testing.T) {
	eachConcurrentWay(t, func(t *testing.T, h *host, begin func(*testing.T) transaction) {
		d := h.worker(t, soon)
		acme := newCustomer(t, d)
		slow := begin(t)
		_, err := d.EmitTx(t.Context(), h.store.Tx(slow), acme.event("slow", "slow"))
		require.NoError(t, err)

		for _, id := range []string{"quick", "quicker"} {
			quick := begin(t)
			_, err = d.EmitTx(t.Context(), h.store.Tx(quick), acme.event(id, id))
			require.NoError(t, err)
			require.NoError(t, quick.commit())
		}
		assert.ElementsMatch(t, []string{"quick", "quicker"}, acme.got(2))
		assert.ElementsMatch(t, []string{"quick", "quicker"}, acme.stored())

		require.NoError(t, slow.commit())
		assert.ElementsMatch(t, []string{"slow", "quick", "quicker"}, acme.got(3))
	})
}

// An open transaction keeps neither others' Emit nor changes of endpoints waiting.
func TestAnOpenTransactionHoldsUpNobody(t *testing.T) {
	eachConcurrentWay(t, func(t *testing.T, h *host, begin func(*testing.T) transaction) {
		d := h.worker(t, soon)
		acme := newCustomer(t, d)
		open := begin(t)
		_, err := d.EmitTx(t.Context(), h.store.Tx(open), acme.event("slow", "slow"), acme.event("", "slow"))
		require.NoError(t, err)

		_, err = d.Emit(t.Context(), acme.event("quick", "quick"))
		require.NoError(t, err)
		assert.Equal(t, []string{"quick"}, acme.got(1))
		acme.endpoint.Description = "edited"
		_, err = d.Tenant(acme.tenant).UpdateEndpoint(t.Context(), acme.endpoint)
		require.NoError(t, err)
		require.NoError(t, d.Tenant(acme.tenant).DeleteEndpoint(t.Context(), acme.endpoint.ID))

		require.NoError(t, open.commit())
		require.Eventually(t, func() bool { return h.count(t, "SELECT count(*) FROM webhook_outbox") == 0 }, long, soon)
		assert.Equal(t, []string{"quick"}, acme.stored(), "the others have no receiver any more")
	})
}
