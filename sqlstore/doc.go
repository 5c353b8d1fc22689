// Package sqlstore keeps webhooks in the application's own database, through database/sql: PostgreSQL, MariaDB or MySQL, or an
// SQLite file. It imports no driver.
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
// [Store.Tx] makes of a transaction of yours what [webhook.Dispatcher.EmitTx] takes, so that an event and the change that it tells
// of commit or vanish together. It takes a *sql.Tx, an sqlx.Tx, the Tx inside a bun.Tx, or the Statement.ConnPool of a gorm transaction;
// [Pgx] adapts pgx.Tx and pgx.Conn. A pool is no transaction.
//
// [OpenSQLite] opens an SQLite file as it should be, with one connection that writes. On PostgreSQL, [Options].Listen lets processes
// wake each other within milliseconds; without it they poll.
//
// # What it needs
//
// The right to read and write its tables, whose names begin with "webhook_" unless [Options] say otherwise; to create them, only if
// Migrate does it. No extension and no superuser. It keeps nothing in a session, so a pooler that hands out a connection for each
// transaction may stand between: with PgBouncer and pgx use pgx's simple protocol (default_query_exec_mode=simple_protocol). A
// connection is taken for single transactions of a few milliseconds, never while a request is sent; ten for each process are plenty.
// A call fails if others hold all connections for 3 seconds. A new connection may take as long as the call's context allows, or
// 30 seconds if that has no deadline.
//
// Several processes may use one database. Each delivery is leased to one of them, and taken over by another when the lease has
// ended for 5 seconds. On PostgreSQL and MySQL the server's clock counts, so those of the processes may be apart.
//
// # When a machine is lost
//
// A machine that loses its power or its network closes no connection. PostgreSQL and MariaDB end the Store's transactions when no
// statement has come for 15 seconds, so what they had locked is free then. The settings are those of single transactions; yours
// on the same connections keep their own, so set idle_in_transaction_session_timeout (PostgreSQL) or
// idle_write_transaction_timeout (MariaDB) for them. MySQL has no such setting: it waits for wait_timeout, 8 hours by default.
// Put wait_timeout=30 into the DSN of MySQL, and give the pool SetConnMaxIdleTime(20 * time.Second).
//
// # Tables
//
// The queue of unfinished deliveries is a table apart from those that have finished, so that its indexes stay small however long the
// log is kept. [webhook.Config].Retention says how long that is; without it the log is the database's largest table. On
// PostgreSQL the queue brings its own autovacuum settings. A transaction that stays open for hours elsewhere in the same database
// keeps dead rows alive and makes claims slower, as it does for any queue in PostgreSQL. Each delivery that has been claimed since
// costs a claim a page read: about 30 ms for 84,000. These are retries, the events of EmitTx, and what a process had no room
// for. Deliveries that Publish hands to its own process cost nothing.
//
// Secrets and header values are stored as they are given, which is sealed if webhook.Config has a Cipher; without one, who can read
// the tables can sign. On MySQL values are part of the statements, so a log of statements has them too.
//
// # Isolation
//
// On PostgreSQL and MySQL the Store's transactions are READ COMMITTED; SQLite's follow each other. Statements without a
// transaction around them have the database's default level: reads, and the one by which Publish stores new events on
// PostgreSQL. EmitTx works at whatever level yours has.
//
// # Versions
//
// Tests run on PostgreSQL 15 (pgx, lib/pq), MariaDB 10.11 (go-sql-driver/mysql) and SQLite 3 (modernc.org/sqlite). On MySQL 8, which they
// do not run on, a wait for another transaction's event id may last as long as the server's innodb_lock_wait_timeout instead of a
// second. Until version 0.1.0 the one migration may be edited in place: create the tables anew after an update.
package sqlstore
