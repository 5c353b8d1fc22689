package drivertest

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// refusesPoison is a plan in which the database refuses every statement with "poison" in it.
func refusesPoison(d database) func(string) fault {
	errs := map[string]error{
		"postgres": &pgconn.PgError{Code: "22021", Message: "poison"}, "mysql": &mysqldriver.MySQLError{Number: 1406, Message: "poison"},
		"sqlite": errors.New("poison"),
	}
	return func(step string) fault {
		if strings.Contains(step, "poison") || strings.Contains(step, hex.EncodeToString([]byte("poison"))) {
			return fault{err: errs[d.name]}
		}
		return fault{}
	}
}

func TestAnEventThatIsRefusedFailsAlone(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		req := s.request(s.event("acme", "evt1", "ep1"), s.event("acme", "poison", "ep1"), s.event("acme", "evt3", "ep1"))
		sab.sabotage(refusesPoison(d))
		results, err := store.Publish(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, webhook.Published{Deliveries: 1}, results[0])
		assert.ErrorContains(t, results[1].Err, "poison")
		assert.Equal(t, webhook.Published{Deliveries: 1}, results[2])
		assert.Equal(t, map[string]int{"events": 2, "queue": 2}, s.rows())

		req.Atomic = true
		req.Events[0], req.Events[2] = s.event("acme", "evt4", "ep1"), s.event("acme", "evt5", "ep1")
		_, err = store.Publish(t.Context(), req)
		require.ErrorContains(t, err, "poison")
		assert.Equal(t, map[string]int{"events": 2, "queue": 2}, s.rows())
	})
}

func TestAnItemThatIsRefusedDoesNotKeepTheOthersFromBeingSettled(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"), s.event("acme", "evt2", "ep1"), s.event("acme", "evt3", "ep1"))
		leased := s.claim()
		require.Len(t, leased, 3)
		items := []webhook.Settlement{s.succeeded(leased[0]), s.succeeded(leased[1]), s.succeeded(leased[2])}
		items[1].Attempt.Error = "poison"
		sab.sabotage(refusesPoison(d))
		out, err := store.Settle(t.Context(), s.now, items)
		require.NoError(t, err)
		require.Len(t, out.Failed, 1)
		require.ErrorContains(t, out.Failed[1], "poison")
		assert.Empty(t, out.Already)
		assert.Empty(t, out.Lost)
		sab.sabotage(nil)
		assert.Equal(t, 2, s.rowsOf("deliveries"))
		assert.Equal(t, 2, s.rowsOf("attempts"))

		out, err = store.Settle(t.Context(), s.now, items)
		require.NoError(t, err, "repeating it is safe")
		assert.ElementsMatch(t, []int{0, 2}, out.Already)
		assert.Equal(t, 3, s.rowsOf("deliveries"))
	})
}

// The id of one event is in a transaction of the application's that stays open.
func TestAnIdThatIsHeldDoesNotHoldTheOthers(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		store := d.store(t, dsn, sqlstore.Options{})
		require.NoError(t, store.Migrate(t.Context()))
		s := newScene(t, store)
		foreign, err := d.open(t, dsn).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = foreign.Rollback() })
		held := s.event("acme", "evt2")
		held.Deliveries = nil
		_, err = store.Tx(foreign).Publish(t.Context(), s.request(held))
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		results, err := store.Publish(ctx, s.request(
			s.event("acme", "evt1", "ep1"), s.event("acme", "evt2", "ep1"), s.event("acme", "evt3", "ep1"), s.event("other", "evt2", "ep1"),
		))
		require.NoError(t, err)
		for i, r := range results {
			if i != 1 {
				assert.Equal(t, webhook.Published{Deliveries: 1}, r)
				continue
			}
			require.ErrorContains(t, r.Err, "emit through it with EmitTx")
			assert.NotErrorIs(t, r.Err, webhook.ErrConflict)
		}
		require.NoError(t, foreign.Commit())
		assert.Equal(t, map[string]int{"events": 4, "outbox": 1, "queue": 3}, s.rows())
	})
}
