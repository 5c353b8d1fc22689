package drivertest

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore"
)

// A recording Execer keeps what it is told to run.
type recording struct {
	sqlstore.Execer
	statements []string
}

func (r *recording) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	r.statements = append(r.statements, query)
	return r.Execer.ExecContext(ctx, query, args...)
}

// verbs returns the first words of what was run, and begins anew.
func (r *recording) verbs() (verbs []string) {
	for _, s := range r.statements {
		verb, _, _ := strings.Cut(s, " ")
		verbs = append(verbs, verb)
	}
	r.statements = nil
	return verbs
}

// What it reads or locks would be held until the application commits.
func TestAnEventInATransactionIsTwoInserts(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		tx := beginSQL(t, h)
		recorder := &recording{Execer: tx}
		_, err := api.EmitTx(t.Context(), h.store.Tx(recorder), acme.event("a", "1"), acme.event("", "2"))
		require.NoError(t, err)
		assert.Equal(t, []string{"INSERT", "INSERT", "INSERT", "INSERT"}, recorder.verbs())

		_, err = api.EmitTx(t.Context(), h.store.Tx(recorder), acme.event("a", "1"))
		require.NoError(t, err)
		assert.Equal(t, []string{"INSERT", "UPDATE"}, recorder.verbs(), "a duplicate looks at its own event alone")

		_, err = api.EmitTx(t.Context(), h.store.Tx(recorder))
		require.NoError(t, err)
		assert.Empty(t, recorder.verbs())
		require.NoError(t, tx.commit())
	})
}
