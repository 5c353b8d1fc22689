package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// MariaDB and MySQL have different ways to wait at most a second for another transaction. Each
// takes the other's way for a comment.
//
// MySQL cannot wait for less than a second. MariaDB can. A waiting request keeps others from
// inserting beside it, so the statements that must not wait use mysqlAtOnce.
const (
	mysqlPatience = `/*M! SET STATEMENT innodb_lock_wait_timeout = 1 FOR */ `
	mysqlAtOnce   = `/*M! SET STATEMENT innodb_lock_wait_timeout = 0 FOR */ `
	mysqlHint     = ` /*+ SET_VAR(innodb_lock_wait_timeout = 1) */ `
)

// MariaDB ends a transaction after [goneTimeout] if its process is gone. It ends a wait for
// another transaction after 5 seconds.
//
// Both are settings of the session. The statements that begin a transaction set them, and the
// statements that end it restore them. So the application's own transactions on the connection
// keep their settings. MySQL has no such timeout except wait_timeout, and takes the compound
// statements for comments.
const (
	mysqlBefore = `/*M! BEGIN NOT ATOMIC SET @webhook_idle_write = @@idle_write_transaction_timeout,
		@webhook_idle_read = @@idle_readonly_transaction_timeout, @webhook_net_write = @@net_write_timeout,
		@webhook_lock_wait = @@innodb_lock_wait_timeout, idle_write_transaction_timeout = 15,
		idle_readonly_transaction_timeout = 15, net_write_timeout = 15, innodb_lock_wait_timeout = 5; */
		SET TRANSACTION ISOLATION LEVEL READ COMMITTED /*M! ; END */`
	mysqlEnd = ` /*M! ; SET idle_write_transaction_timeout = @webhook_idle_write,
		idle_readonly_transaction_timeout = @webhook_idle_read, net_write_timeout = @webhook_net_write,
		innodb_lock_wait_timeout = @webhook_lock_wait; END */`
)

// mysqlGroup returns the id_group of an event, as the table defines it.
func mysqlGroup(tenant, id string) string {
	return `IF(length(` + id + `) = 36
		AND substr(` + id + `, 9, 1) = x'2D' AND substr(` + id + `, 15, 1) = x'37', x'FF', ` + tenant + `)`
}

// mysqlOfCaller are the statements that also run in the caller's transaction. There they wait
// as long as the caller's settings say.
var mysqlOfCaller = []op{insertEvent, insertNew, sameEvent, insertOutboxRow, insertOutbox, deleteEvent, deleteOutbox}

// mysqlChange matches a statement that changes rows of one table, and captures the table.
var mysqlChange = regexp.MustCompile(`^(?:(UPDATE) ({\w+}) SET|(DELETE) FROM ({\w+}) WHERE)`)

// mysqlByKey makes a statement that changes rows of one table find them by the primary key.
// Otherwise the server reads the whole table if the table is small, or if the keys are many of
// its rows. Then it waits for rows of other transactions for as long as these are open.
func mysqlByKey(sql string) string {
	return mysqlChange.ReplaceAllStringFunc(sql, func(head string) string {
		m := mysqlChange.FindStringSubmatch(head)
		if m[1] != "" {
			return "UPDATE " + m[2] + " FORCE INDEX (PRIMARY) SET"
		}
		return "DELETE " + m[4] + " FROM " + m[4] + " FORCE INDEX (PRIMARY) WHERE"
	})
}

// mysqlBounded makes a statement that changes rows wait at most 5 seconds on MySQL. On MariaDB
// the session's setting does this.
func mysqlBounded(o op, sql string) string {
	if slices.Contains(mysqlOfCaller, o) {
		return sql
	}
	for _, verb := range []string{"INSERT ", "UPDATE ", "DELETE "} {
		if rest, found := strings.CutPrefix(sql, verb); found {
			return verb + "/*+ SET_VAR(innodb_lock_wait_timeout = 5) */ " + rest
		}
	}
	return sql
}

// mysql is the common dialect of MariaDB and MySQL. Its statements write all values as
// literals.
var mysql = dialect{
	Dialect: engine.Dialect{
		Name:     "mysql",
		Renderer: engine.Literals,
		Prepare:  mysqlBefore,
		Begin:    `START TRANSACTION`,
		Commit:   `/*M! BEGIN NOT ATOMIC */ COMMIT` + mysqlEnd,
		Rollback: `/*M! BEGIN NOT ATOMIC */ ROLLBACK` + mysqlEnd,
	},
	adapt: func(o op, sql string) string { return mysqlBounded(o, mysqlByKey(sql)) },
	quote: "`",
	// Local time would repeat an hour a year.
	clock:       `SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`,
	packetLimit: `SELECT @@max_allowed_packet`,
	locksGaps:   true,
	logsWait:    true,

	identity: `SELECT version()`,
	is:       func(version string) bool { return !strings.Contains(version, "PostgreSQL") },
	hasTable: func(_, table string) (string, []any) {
		return `SELECT 1 FROM information_schema.tables
			WHERE table_schema = DATABASE() AND table_name = '` + table + `'`, nil
	},
	lockSchema: lockMySQLSchema,
	statements: joined(mysqlQueue, mysqlRecords, mysqlReplay),
}

// lockMySQLSchema takes a lock that the session holds. MySQL commits after each statement that
// changes the schema. The server ends the session if this process is gone.
func lockMySQLSchema(ctx context.Context, _ *engine.DB, conn *sql.Conn, name string) (unlockSchema, error) {
	lock := fmt.Sprintf("x'%x'", name[:min(len(name), 64)])
	wait := fmt.Sprintf("SET @webhook_wait = @@wait_timeout, wait_timeout = %d", int(goneTimeout.Seconds()))
	if _, err := conn.ExecContext(ctx, wait); err != nil {
		return nil, err
	}
	restore := func(ctx context.Context, err error) error {
		if _, failed := conn.ExecContext(ctx, "SET wait_timeout = @webhook_wait"); err != nil || failed != nil {
			engine.Abandon(conn)
		}
		return err
	}
	var got sql.NullInt64
	query := "SELECT GET_LOCK(" + lock + ", " + strconv.Itoa(int(migrateTimeout.Seconds())) + ")"
	if err := conn.QueryRowContext(ctx, query).Scan(&got); err != nil {
		return nil, restore(ctx, err)
	}
	if got.Int64 != 1 {
		return nil, restore(ctx, fmt.Errorf("another process has been migrating for %v", migrateTimeout))
	}
	return func(ctx context.Context, _ bool) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
		defer cancel()
		return restore(ctx, conn.QueryRowContext(ctx, "SELECT RELEASE_LOCK("+lock+")").Scan(&got))
	}, nil
}
