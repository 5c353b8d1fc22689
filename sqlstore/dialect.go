package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// goneTimeout is the time without a statement after which a server ends a transaction. Its
// process is then gone or stopped. The dialects repeat this number in their statements.
const goneTimeout = 15 * time.Second

// A Dialect is the SQL of one kind of database.
type Dialect struct{ d *dialect }

// The supported dialects.
var (
	// Postgres is PostgreSQL 13 or later, through any driver.
	Postgres = Dialect{&postgres}
	// MySQL is MariaDB 10.6 or later, or MySQL 8, through any driver.
	MySQL = Dialect{&mysql}
	// SQLite is SQLite 3.35 or later, through any driver. Open the file with [OpenSQLite].
	SQLite = Dialect{&sqlite}
)

// dialects are all dialects, in the order in which an unknown server is compared with them.
var dialects = []*dialect{&postgres, &mysql, &sqlite}

// String returns the dialect's name: postgres, mysql or sqlite.
func (d Dialect) String() string {
	if d.d == nil {
		return "none"
	}
	return d.d.Name
}

// A dialect has the statements of the Store for one kind of database. Its other fields say how
// the databases differ. No code asks which dialect it is.
type dialect struct {
	engine.Dialect

	statements map[op]string                 // beside those in everywhere
	adapt      func(o op, sql string) string // changes a statement before it is compiled; may be nil

	quote   string // the quotation mark of names
	schemas bool   // Options.Schema is supported
	listens bool   // Options.Listen is supported

	clock       string // SELECT that returns microseconds since 1970; empty for this machine's clock
	packetLimit string // SELECT that returns the size of the largest statement; empty for no limit

	returning       bool // INSERT reports which rows are new
	outboxWithEvent bool // insertEvent and insertNew insert the outbox rows too, see txPublisher.insert
	publishesAtOnce bool // has publishNew
	settlesAtOnce   bool // has settleDelivered
	widensAtOnce    bool // has widen
	wakesAtOnce     bool // has wakeDue
	matchesFew      bool // has matchFew
	locksGaps       bool // a transaction may hold the place of an id that is not stored
	logsWait        bool // the statements that delete attempts and bodies wait for other transactions

	identity string                    // SELECT that returns the version of the server
	is       func(version string) bool // reports whether identity returned a version of this dialect

	hasTable   func(schema, table string) (query string, args []any) // a query with a row if the table exists
	lockSchema func(ctx context.Context, db *engine.DB, conn *sql.Conn, name string) (unlockSchema, error)
}

// An unlockSchema ends the lock of lockSchema, and commits or rolls back.
type unlockSchema func(ctx context.Context, commit bool) error

// tables are the names that statements write in braces.
var tables = []string{
	"schema", "tenants", "endpoints", "status", "versions", "subscriptions", "events", "outbox", "queue", "deliveries",
	"attempts", "bodies", "removals", "replays", "locks",
}

var (
	prefixes = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,29}$`)
	schemas  = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
)

// names returns a replacer for the names in braces: {queue} is the table of that name with the
// prefix, and {prefix} is the prefix alone.
func (d *dialect) names(o *Options) *strings.Replacer {
	pairs := []string{"{prefix}", o.Prefix}
	for _, name := range tables {
		full := d.quote + o.Prefix + name + d.quote
		if o.Schema != "" {
			full = d.quote + o.Schema + d.quote + "." + full
		}
		pairs = append(pairs, "{"+name+"}", full)
	}
	return strings.NewReplacer(pairs...)
}

// joined returns the statements of several lists.
func joined(lists ...map[op]string) map[op]string {
	all := make(map[op]string)
	for _, list := range lists {
		for o, sql := range list {
			if _, twice := all[o]; twice {
				panic("sqlstore: a dialect has two texts of a statement: " + sql)
			}
			all[o] = sql
		}
	}
	return all
}

// compile returns the dialect's statements.
func (d *dialect) compile(o *Options) []*engine.Statement {
	names := d.names(o)
	compiled := make([]*engine.Statement, opCount)
	for n := range compiled {
		sql, own := d.statements[op(n)]
		if !own {
			sql = everywhere[op(n)]
		}
		sql = strings.Join(strings.Fields(sql), " ") // adapt need not know the layout
		if d.adapt != nil {
			sql = d.adapt(op(n), sql)
		}
		if sql != "" {
			compiled[n] = engine.Compile(names.Replace(sql))
		}
	}
	return compiled
}

func (o *Options) check(d *dialect) error {
	if d == nil {
		return fmt.Errorf("sqlstore: no dialect is given; use sqlstore.Postgres, MySQL or SQLite")
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if !prefixes.MatchString(o.Prefix) {
		return fmt.Errorf("sqlstore: Options.Prefix %q is not usable; use 1 to 30 of a–z, 0–9 and _, not beginning with a digit", o.Prefix)
	}
	if o.Listen != nil && !d.listens {
		return fmt.Errorf("sqlstore: Options.Listen is for PostgreSQL; leave it nil, and other processes' work is found by polling")
	}
	if o.Schema == "" {
		return nil
	}
	if !d.schemas {
		return fmt.Errorf("sqlstore: Options.Schema is for PostgreSQL; use Options.Prefix")
	}
	if !schemas.MatchString(o.Schema) {
		return fmt.Errorf("sqlstore: Options.Schema %q is not usable; use 1 to 63 of a–z, 0–9 and _, not beginning with a digit", o.Schema)
	}
	return nil
}
