package drivertest

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNothingIsLostOrStoredTwiceWhenConnectionsAreCut cuts all connections to a database again
// and again, busy or not, while two processes emit and deliver. An Emit that fails is repeated
// with the id of its receipt.
func TestNothingIsLostOrStoredTwiceWhenConnectionsAreCut(t *testing.T) {
	t.Parallel()
	rounds := 100
	if soaking() {
		rounds = 300
	}
	cutters := map[string]func(context.Context, *sql.DB) (int, error){postgres.name: cutPostgres, mysql.name: cutMySQL}
	atOnce(t, []database{postgres, mysql}, func(t *testing.T, d database) {
		began, seed := time.Now(), testSeed(t)
		f := newFleet(t, d, d.dsn(t), shortLeases(manyRetries(300*time.Millisecond)...), 3)
		f.receiver.setAnswer(flaky(seed, 30))
		f.run()
		w := f.startUp("w", 0)
		w.emit("", -1)
		host := f.startHost()

		knife := d.open(t, f.dsn)
		knife.SetMaxOpenConns(1)
		random, cut := rand.New(rand.NewPCG(uint64(seed), 0)), 0
		for range rounds {
			n, err := cutters[d.name](t.Context(), knife)
			require.NoError(t, err)
			cut += n
			letPass(t.Context(), time.Duration(random.IntN(100))*time.Millisecond)
		}
		acknowledged, rolledBack := host.stop()
		w.quieten()
		acknowledged = append(acknowledged, w.acknowledged()...)
		f.settled(acknowledged)
		w.terminate()
		require.Empty(t, w.end())
		f.compare(acknowledged, rolledBack)
		a := f.check()
		assert.Zero(t, a.unlogged)
		assert.Empty(t, w.wrong, "events that were emitted once and called duplicates")
		t.Logf("%d connections were cut; %d Emits of the other process failed", cut, len(w.failed))
		f.log(a, len(acknowledged), 0, began)
	})
}

// cutPostgres ends all connections to the database but its own.
func cutPostgres(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`).Scan(&n)
	return n, err
}

func cutMySQL(ctx context.Context, db *sql.DB) (n int, err error) {
	var list sql.NullString
	if err := db.QueryRowContext(ctx, `SELECT group_concat(id) FROM information_schema.processlist
		WHERE db = DATABASE() AND id <> CONNECTION_ID()`).Scan(&list); err != nil {
		return 0, err
	}
	for id := range strings.SplitSeq(list.String, ",") {
		if _, err := strconv.Atoi(id); err != nil {
			continue
		}
		_, err := db.ExecContext(ctx, "KILL "+id)
		switch {
		case err == nil:
			n++
		case !strings.Contains(err.Error(), "Unknown thread id"):
			return n, err
		}
	}
	return n, nil
}
