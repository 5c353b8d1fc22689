package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// postgresPlanner keeps the planner to indexes. Every statement has an index that yields its
// rows in its order.
const postgresPlanner = `; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
	SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off`

// Planning a statement costs about a millisecond, more than to settle five deliveries. So
// transactions that run often keep their plans. A kept plan may have been made while a table
// was empty. Then all plans cost the same, and the planner may read a whole index for each row.
// Statements of these transactions leave it no choice:
//
//   - A lookup is a LATERAL subquery with LIMIT 1, so the keys come first and the table second.
//   - If several indexes have the column, its value is given as a range with ORDER BY. Only the
//     right index yields that order.
//   - UPDATE and DELETE find their rows by ctid, from such a lookup. A row that another
//     transaction changes meanwhile may be passed over. So the transaction has locked the rows,
//     or takes others in the place of those that are passed over.
//
// All other transactions plan each statement anew.
const (
	postgresNewPlans = `; SET LOCAL plan_cache_mode = force_custom_plan`
	postgresOldPlans = `; SET LOCAL plan_cache_mode = force_generic_plan`
)

// postgresBounds limit how long transactions wait.
//
// A wait for another transaction ends after 2 seconds. PostgreSQL looks for deadlocks after one
// second, so a transaction in a deadlock learns of it and is run again.
//
// A transaction ends after [goneTimeout] if its process is gone. The server would otherwise
// keep it, and its locks, until TCP gives the connection up: two hours by default. There is no
// statement_timeout, because a statement of a process that is gone ends by itself. From then on
// the transaction is idle.
const postgresBounds = `; SET LOCAL lock_timeout = 2000;
	SET LOCAL idle_in_transaction_session_timeout = 15000`

// postgresLinuxBound ends a transaction if its process is gone while the server sends it an
// answer. Without it, an answer that is larger than the socket's buffer blocks the server,
// which does not count as idle. Only servers on Linux can do this. Other servers log that they
// cannot.
const postgresLinuxBound = `; SET LOCAL tcp_user_timeout = 15000`

// postgres is the dialect of PostgreSQL. Statements for many rows take them as arrays.
var postgres = dialect{
	Dialect: engine.Dialect{
		Name:     "postgres",
		Renderer: engine.Arrays,
		// One round trip sends all parts, because a statement without arguments may have several
		// parts, with pgx and with lib/pq.
		Begin:    `BEGIN ISOLATION LEVEL READ COMMITTED`,
		Bounds:   postgresBounds,
		Linux:    postgresLinuxBound,
		Planner:  postgresPlanner,
		NewPlans: postgresNewPlans,
		OldPlans: postgresOldPlans,
		Brief:    `; SET LOCAL lock_timeout = 200`,
		// Zero would mean no limit. Short waits for other locks, for example while a table
		// grows, take less than 20 ms.
		NoWait:   `; SET LOCAL lock_timeout = 20`,
		Commit:   `COMMIT`,
		Rollback: `ROLLBACK`,
	},
	quote:   `"`,
	schemas: true,
	listens: true,
	clock:   `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)`,

	returning:       true,
	outboxWithEvent: true,
	publishesAtOnce: true,
	settlesAtOnce:   true,
	widensAtOnce:    true,
	wakesAtOnce:     true,
	matchesFew:      true,

	identity: `SELECT version()`,
	is:       func(version string) bool { return strings.Contains(version, "PostgreSQL") },
	hasTable: func(schema, table string) (string, []any) {
		if schema != "" {
			table = `"` + schema + `"."` + table + `"`
		}
		return `SELECT 1 WHERE to_regclass($1) IS NOT NULL`, []any{table}
	},
	lockSchema: lockPostgresSchema,
	statements: joined(postgresQueue, postgresRecords, postgresReplay),
}

// lockPostgresSchema takes a lock that a transaction holds, so a migration happens wholly or not
// at all.
func lockPostgresSchema(ctx context.Context, db *engine.DB, conn *sql.Conn, name string) (unlockSchema, error) {
	unlock := unlockInTransaction(db, conn)
	run := func(query string, args ...any) error {
		_, err := conn.ExecContext(ctx, query, args...)
		return err
	}
	if err := run("BEGIN ISOLATION LEVEL READ COMMITTED"); err != nil { // reads after the lock was granted see the latest rows
		return nil, err
	}
	err := errors.Join(
		run("SET LOCAL lock_timeout = "+strconv.FormatInt(migrateTimeout.Milliseconds(), 10)),
		run("SET LOCAL idle_in_transaction_session_timeout = "+strconv.FormatInt(goneTimeout.Milliseconds(), 10)),
		run("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name),
	)
	if err != nil {
		return nil, errors.Join(err, unlock(ctx, false))
	}
	return unlock, nil
}
