// Package sqlstore keeps webhooks in the application's own database, through database/sql. It
// supports PostgreSQL, MariaDB, MySQL and SQLite files, and imports no driver.
//
//	store, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{})
//	if err != nil {
//		return err
//	}
//	if err := store.Migrate(ctx); err != nil { // or apply Migrations with a tool of your own, and call Check
//		return err
//	}
//	d, err := webhook.New(store, webhook.Config{})
//
// # Transactions
//
// [Store.Tx] adapts a transaction of yours to [webhook.Dispatcher.EmitTx]. An event and the
// change that it reports then commit or vanish together. Tx takes a *sql.Tx, an sqlx.Tx, the Tx
// inside a bun.Tx, or the Statement.ConnPool of a gorm transaction. [Pgx] adapts pgx.Tx and
// pgx.Conn. A pool is no transaction.
//
// [OpenSQLite] opens an SQLite file with the right settings and one connection that writes. On
// PostgreSQL, [Options].Listen lets processes wake each other within milliseconds. Without it
// they poll.
//
// # Requirements
//
// The Store needs the right to read and write its tables. Their names begin with "webhook_"
// unless [Options] say otherwise. It needs the right to create them only if you call Migrate.
// It needs no extension and no superuser.
//
// The Store keeps no state in a session, so a pooler may assign a connection to each
// transaction. With PgBouncer and pgx, use pgx's simple protocol
// (default_query_exec_mode=simple_protocol).
//
// The Store holds a connection only for single transactions of a few milliseconds, never while
// a request is sent. Ten connections for each process are plenty. A call fails if other callers
// hold all connections for 3 seconds. Opening a new connection may take as long as the call's
// context allows, or 30 seconds if the context has no deadline.
//
// Several processes may use one database. Each delivery is leased to one of them. Another
// process takes over 5 seconds after the lease has ended. On PostgreSQL and MySQL the server's
// clock decides, so the clocks of the processes may differ.
//
// # When a machine is lost
//
// A machine that loses its power or its network closes no connection. PostgreSQL and MariaDB
// end the Store's transactions after 15 seconds without a statement, which frees their locks.
//
// These settings apply to the Store's transactions only. Your own transactions on the same
// connections keep your settings. Set idle_in_transaction_session_timeout (PostgreSQL) or
// idle_write_transaction_timeout (MariaDB) for them.
//
// MySQL has no such setting. It waits for wait_timeout, 8 hours by default. Put wait_timeout=30
// into the DSN of MySQL, and call SetConnMaxIdleTime(20 * time.Second) on the pool.
//
// # When a primary fails
//
// The Store goes on with the successor of a primary. Tests kill PostgreSQL primaries under load
// and promote their standbys. Three settings are yours:
//
//   - Make the standby synchronous (synchronous_standby_names), and no accepted event is lost. An
//     asynchronous standby loses the commits that it has not received, and their webhooks.
//   - Name all servers in the DSN with target_session_attrs=read-write, or use an address that
//     follows the primary. Connections to a read-only server leave the pool.
//   - Fence the old primary, so that it accepts no writes when it comes back.
//
// On MySQL and MariaDB the same holds for semi-synchronous replication and the address of the
// primary.
//
// # Migrations
//
// [Store.Migrate] applies the migrations. Any number of processes may call it at once. A tool of
// your own may apply [Migrations] instead, and each process then calls [Store.Check] when it
// starts. The file example_goose_test.go in the folder drivertest does so with goose. Check
// accepts the next version of the schema too, so old processes run on while a new one migrates.
//
// # Tables
//
// Unfinished deliveries are in the queue, a table of their own. Finished deliveries are in
// another, so the indexes of the queue stay small however long the log is kept.
// [webhook.Config].Retention limits the age of the log, by default to 30 days. Without a limit,
// the log becomes the database's largest table.
//
// On PostgreSQL the queue has its own autovacuum settings. A transaction that stays open for
// hours elsewhere in the same database keeps dead rows alive. This makes claims slower, as for
// any queue in PostgreSQL. Each delivery that was claimed since then costs a claim one page
// read: about 30 ms for 84,000. This counts retries, the events of EmitTx, and deliveries for
// which a process had no room. Deliveries that Publish hands to its own process cost nothing.
//
// Secrets and header values are stored as the Dispatcher passes them: sealed if webhook.Config
// has a Cipher, in clear otherwise. Without a Cipher, anybody with read access to the tables
// can sign. On MySQL, values are part of the statements, so a log of statements contains them
// too.
//
// # Isolation
//
// On PostgreSQL and MySQL the Store's transactions are READ COMMITTED. On SQLite they run one
// after the other. Statements outside a transaction have the database's default level. These
// are reads, and the statement with which Publish stores new events on PostgreSQL. EmitTx works
// at any level of your transaction.
//
// # Versions
//
// Tests run on PostgreSQL 15 (pgx, lib/pq), MariaDB 10.11 (go-sql-driver/mysql) and SQLite 3
// (modernc.org/sqlite). They do not run on MySQL 8. There, a wait for another transaction's
// event id may last as long as the server's innodb_lock_wait_timeout instead of a second.
//
// Until version 0.1.0, version 0001 of the schema is edited in place: create the tables anew after
// an update. Later, a published migration never changes.
package sqlstore
