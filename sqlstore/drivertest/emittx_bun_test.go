package drivertest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bun.Tx's own ExecContext does not pass parameters on: it writes them in place of question
// marks. That it happens to work where question marks are the database's parameters is not
// promised to anybody.
func TestGiveTheTxInsideABunTxNotTheBunTxItself(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		tx := bunTx(t, h)
		_, err := api.EmitTx(t.Context(), h.store.Tx(tx), acme.event(`evt'\"?`, `it's \ "1"?`))
		if d.name == postgres.name {
			require.Error(t, err)
			require.NoError(t, tx.Rollback())
			assert.Empty(t, acme.stored())
			return
		}
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		run(t, api)
		assert.Equal(t, []string{`it's \ "1"?`}, acme.got(1))
		assert.Equal(t, []string{`evt'\"?`}, acme.stored())
	})
}
