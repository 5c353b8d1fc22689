// Package sqlstore keeps webhooks in the application's own database, through database/sql: PostgreSQL, MariaDB or MySQL, or an
// SQLite file. It imports no driver.
package sqlstore
