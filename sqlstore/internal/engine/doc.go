// Package engine runs SQL statements on PostgreSQL, MariaDB, MySQL and SQLite, through
// database/sql and without a driver of its own.
//
// A program writes its statements once for each [Dialect], with marks for values and lists of
// rows. See [Statement]. The engine turns the marks into the form that suits each database,
// splits long lists, and runs the statements in transactions that end soon.
//
//	db.Write(ctx, engine.TxOptions{}, func(t *engine.Tx) error {
//		return t.ExecAll(insertRows, rows) // insertRows is an Op, rows is a *Table
//	})
//
// The engine knows connections, transactions, values and the error codes of databases. It does
// not know the tables, and it does not read the results.
package engine
