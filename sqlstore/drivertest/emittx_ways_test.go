package drivertest

import (
	"context"
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
	gormmysql "gorm.io/driver/mysql"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/gowebhook/webhook/sqlstore"
)

// A transaction of the application, of any library.
type transaction struct {
	sqlstore.Execer
	commit   func() error
	rollback func() error
}

// A way to have a transaction.
type way struct {
	name  string
	begin func(t *testing.T, h *host) transaction
}

var ways = map[string][]way{
	"postgres": {
		{"sql.Tx", beginSQL},
		{"sql.Conn", beginConn},
		{"sql.Tx of pq", beginPQ},
		{"sql.Tx with the simple protocol", beginSimple},
		{"sqlx.Tx", beginSQLX},
		{"Tx inside bun.Tx", beginBun},
		{"gorm", beginGorm},
		{"gorm with prepared statements", beginGormPrepared},
		{"pgx.Tx", beginPgxPool},
		{"pgx.Tx of a connection", beginPgx},
		{"pgx.Conn", beginPgxConn},
		{"pgxpool.Conn", beginPoolConn},
	},
	"mysql": {
		{"sql.Tx", beginSQL},
		{"sql.Conn", beginConn},
		{"sqlx.Tx", beginSQLX},
		{"Tx inside bun.Tx", beginBun},
		{"gorm", beginGorm},
		{"sql.Tx with interpolated parameters", beginInterpolated},
	},
	"sqlite": {
		{"sql.Tx", beginSQL},
		{"sql.Conn", beginConn},
		{"sqlx.Tx", beginSQLX},
		{"Tx inside bun.Tx", beginBun},
		{"sql.Tx of another pool", beginOther},
	},
}

// eachWay runs a test for every kind of transaction on every database. The tests of one
// database share it.
func eachWay(t *testing.T, test func(t *testing.T, h *host, begin func(*testing.T) transaction)) {
	t.Helper()
	each(t, func(t *testing.T, d database) { waysOf(t, d, test) })
}

// eachConcurrentWay is eachWay without SQLite, where one transaction writes at a time.
func eachConcurrentWay(t *testing.T, test func(t *testing.T, h *host, begin func(*testing.T) transaction)) {
	t.Helper()
	eachServer(t, func(t *testing.T, d database) { waysOf(t, d, test) })
}

func waysOf(t *testing.T, d database, test func(t *testing.T, h *host, begin func(*testing.T) transaction)) {
	t.Helper()
	h := newHost(t, d)
	for _, w := range ways[d.name] {
		t.Run(w.name, func(t *testing.T) {
			test(t, h, func(t *testing.T) transaction {
				tx := w.begin(t, h)
				t.Cleanup(func() { _ = tx.rollback() }) // when the test fails
				return tx
			})
		})
	}
}

func beginIn(t *testing.T, db *sql.DB) transaction {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	return transaction{tx, tx.Commit, tx.Rollback}
}

func beginSQL(t *testing.T, h *host) transaction { return beginIn(t, h.db) }

func (h *host) other(t *testing.T, driver, options string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, h.url+options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func beginPQ(t *testing.T, h *host) transaction { return beginIn(t, h.other(t, "postgres", "")) }

func beginSimple(t *testing.T, h *host) transaction {
	return beginIn(t, h.other(t, "pgx", "&default_query_exec_mode=simple_protocol"))
}

func beginInterpolated(t *testing.T, h *host) transaction {
	return beginIn(t, h.other(t, "mysql", "?interpolateParams=true"))
}

func beginOther(t *testing.T, h *host) transaction {
	return beginIn(t, h.other(t, "sqlite", "?_pragma=busy_timeout(20000)&_txlock=immediate"))
}

// ended makes a transaction of something that takes statements to begin and end one.
func ended(t *testing.T, x sqlstore.Execer) transaction {
	t.Helper()
	do := func(query string) func() error {
		return func() error {
			_, err := x.ExecContext(context.Background(), query) //nolint:usetesting // also at the end of the test
			return err
		}
	}
	require.NoError(t, do("BEGIN")())
	return transaction{x, do("COMMIT"), do("ROLLBACK")}
}

func beginConn(t *testing.T, h *host) transaction {
	conn, err := h.db.Conn(t.Context())
	require.NoError(t, err)
	tx := ended(t, conn)
	end := func(how func() error) func() error {
		return func() error {
			defer conn.Close()
			return how()
		}
	}
	return transaction{conn, end(tx.commit), end(tx.rollback)}
}

func beginSQLX(t *testing.T, h *host) transaction {
	tx, err := sqlx.NewDb(h.db, h.driver).BeginTxx(t.Context(), nil)
	require.NoError(t, err)
	return transaction{tx, tx.Commit, tx.Rollback}
}

func bunTx(t *testing.T, h *host) bun.Tx {
	dialect := map[string]func() schema.Dialect{
		"postgres": func() schema.Dialect { return pgdialect.New() },
		"mysql":    func() schema.Dialect { return mysqldialect.New() },
		"sqlite":   func() schema.Dialect { return sqlitedialect.New() },
	}[h.name]
	tx, err := bun.NewDB(h.db, dialect()).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	return tx
}

func beginBun(t *testing.T, h *host) transaction {
	tx := bunTx(t, h)
	return transaction{tx.Tx, tx.Commit, tx.Rollback}
}

func beginGorm(t *testing.T, h *host) transaction { return gormTx(t, h, false) }

func beginGormPrepared(t *testing.T, h *host) transaction { return gormTx(t, h, true) }

func gormTx(t *testing.T, h *host, prepare bool) transaction {
	dialector := gormpostgres.New(gormpostgres.Config{Conn: h.db})
	if h.name == "mysql" {
		dialector = gormmysql.New(gormmysql.Config{Conn: h.db})
	}
	db, err := gorm.Open(dialector, &gorm.Config{PrepareStmt: prepare, Logger: logger.Discard})
	require.NoError(t, err)
	tx := db.WithContext(t.Context()).Begin()
	require.NoError(t, tx.Error)
	return transaction{
		tx.Statement.ConnPool,
		func() error { return tx.Commit().Error }, func() error { return tx.Rollback().Error },
	}
}

func pgxTx(t *testing.T, tx pgx.Tx, err error) transaction {
	t.Helper()
	require.NoError(t, err)
	return transaction{
		sqlstore.Pgx(tx),
		func() error { return tx.Commit(t.Context()) },
		func() error { return tx.Rollback(context.Background()) }, //nolint:usetesting // also at the end of the test
	}
}

func (h *host) pgxPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), h.url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func (h *host) pgxConn(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) //nolint:usetesting // the test's context has ended
	return conn
}

func beginPgxPool(t *testing.T, h *host) transaction {
	tx, err := h.pgxPool(t).Begin(t.Context())
	return pgxTx(t, tx, err)
}

func beginPgx(t *testing.T, h *host) transaction {
	tx, err := h.pgxConn(t).Begin(t.Context())
	return pgxTx(t, tx, err)
}

func beginPgxConn(t *testing.T, h *host) transaction {
	return ended(t, sqlstore.Pgx(h.pgxConn(t)))
}

func beginPoolConn(t *testing.T, h *host) transaction {
	conn, err := h.pgxPool(t).Acquire(t.Context())
	require.NoError(t, err)
	t.Cleanup(conn.Release)
	return ended(t, sqlstore.Pgx(conn))
}
