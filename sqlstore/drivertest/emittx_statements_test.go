package drivertest

import (
	"context"
	"database/sql"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A recording Execer keeps the statements that it gets.
type recording struct {
	sqlstore.Execer
	statements []string
}

func (r *recording) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	r.statements = append(r.statements, query)
	return r.Execer.ExecContext(ctx, query, args...)
}

// take returns the statements so far, and begins anew.
func (r *recording) take() []string {
	taken := r.statements
	r.statements = nil
	return taken
}

var tableName = regexp.MustCompile(`webhook_[a-z]+`)

// Other rows that it reads or locks would be held until the application commits.
func TestAnEventInATransactionIsInsertsAlone(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		tx := beginSQL(t, h)
		recorder := &recording{Execer: tx}
		emit := func(events ...webhook.Event) []string {
			t.Helper()
			_, err := api.EmitTx(t.Context(), h.store.Tx(recorder), events...)
			require.NoError(t, err)
			return recorder.take()
		}
		event := 2 // statements
		if d.name == postgres.name {
			event = 1
		}
		for _, inserts := range [][]string{emit(acme.event("a", "1"), acme.event("b", "2")), emit(acme.event("", "3"))} {
			for _, s := range inserts {
				assert.Contains(t, s, "INSERT INTO")
				assert.NotRegexp(t, `(?i)notify|for update|for share|for key`, s)
				assert.Subset(t, []string{"webhook_events", "webhook_outbox"}, tableName.FindAllString(s, -1))
			}
			assert.Zero(t, len(inserts)%event)
		}
		assert.Len(t, emit(acme.event("c", "3"), acme.event("d", "4")), 2*event)
		assert.Len(t, emit(acme.event("", "5"), acme.event("", "6"), acme.event("", "7")), event, "ids that are new need no answer each")
		assert.Empty(t, emit())

		again := emit(acme.event("a", "1"))
		require.Len(t, again, map[string]int{postgres.name: 2, mysql.name: 4, sqlite.name: 4}[d.name])
		assert.Contains(t, again[len(again)-1], "UPDATE", "a duplicate looks at its own event alone")
		require.NoError(t, tx.commit())
	})
}

// Between two statements of a pool a crash would leave an event that nobody is told of.
func TestAPoolIsTakenForATransactionOnlyWhereAnEventIsOneStatement(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		dispatcher := h.worker(t, soon)
		acme := newCustomer(t, dispatcher)
		_, err := dispatcher.EmitTx(t.Context(), h.store.Tx(h.db), acme.event("a", "1"))
		if d.name != postgres.name {
			require.ErrorContains(t, err, "is no transaction")
			assert.Empty(t, acme.stored())
			return
		}
		require.NoError(t, err)
		_, err = dispatcher.EmitTx(t.Context(), h.store.Tx(sqlstore.Pgx(h.pgxPool(t))), acme.event("b", "2"))
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"1", "2"}, acme.got(2))
	})
}
