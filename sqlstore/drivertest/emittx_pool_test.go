package drivertest

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/gowebhook/webhook/sqlstore"
)

// Each statement of a pool is a transaction of its own: a crash between two would leave half
// an event, or half of the events.
func TestAPoolIsNoTransactionUnlessOneStatementDoesIt(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		pools := map[string]sqlstore.Execer{
			"database/sql": h.db, "sqlx": sqlx.NewDb(h.db, d.driver), "bun": bun.NewDB(h.db, pgdialect.New()),
		}
		if d.name == postgres.name {
			pool, err := pgxpool.New(t.Context(), h.url)
			require.NoError(t, err)
			defer pool.Close()
			pools["pgxpool"] = sqlstore.Pgx(pool)
		}
		for name, pool := range pools {
			_, err := api.EmitTx(t.Context(), h.store.Tx(pool), acme.event(name+"1", "1"), acme.event(name+"2", "2"))
			require.ErrorContains(t, err, "begin one", name)
		}
		assert.Empty(t, acme.stored())
		for name, pool := range pools {
			if name == "bun" {
				continue // it does not pass arguments on
			}
			_, err := api.EmitTx(t.Context(), h.store.Tx(pool), acme.event(name, "1"))
			if d.name == postgres.name {
				assert.NoError(t, err, name)
			} else {
				assert.ErrorContains(t, err, "begin one", name)
			}
		}
	})
}
