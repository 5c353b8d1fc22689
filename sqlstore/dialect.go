package sqlstore

import (
	"fmt"
	"regexp"
	"strings"
)

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

// String returns the dialect's name: postgres, mysql or sqlite.
func (d Dialect) String() string {
	if d.d == nil {
		return "none"
	}
	return d.d.name
}

type dialect struct {
	name       string
	renderer   renderer
	statements map[op]string
	quote      string // the quotation mark of names
	returning  bool   // INSERT reports which rows are new
	before     string // prepares a session for a transaction; empty for none
	beginning  string // begins a transaction
	bounds     string // bounds of a transaction's waits and of its idle time, sent together with its beginning
	settings   string // of the planner, sent together with the beginning of a transaction
	brief      string // more bounds, for a transaction that waits for others only a moment
	noWait     string // more bounds, for a transaction that does not wait for others
	commit     string
	rollback   string
	clock      string // SELECT that returns microseconds since 1970
}

// tables are the names that statements write in braces.
var tables = []string{
	"schema", "tenants", "endpoints", "status", "versions", "subscriptions", "events", "outbox", "queue", "deliveries",
	"attempts", "bodies", "removals", "locks",
}

var (
	prefixes = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,29}$`)
	schemas  = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
)

// names returns a replacer for the names in braces.
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

// compile returns the dialect's statements.
func (d *dialect) compile(o *Options) []*statement {
	names := d.names(o)
	compiled := make([]*statement, opCount)
	for n := range compiled {
		sql, own := d.statements[op(n)]
		if !own {
			sql = everywhere[op(n)]
		}
		if d == &mysql {
			sql = mysqlBounded(op(n), mysqlByKey(sql))
		}
		if sql != "" {
			compiled[n] = compile(names.Replace(sql))
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
	if o.Listen != nil && d != &postgres {
		return fmt.Errorf("sqlstore: Options.Listen is for PostgreSQL; leave it nil, and other processes' work is found by polling")
	}
	if o.Schema == "" {
		return nil
	}
	if d != &postgres {
		return fmt.Errorf("sqlstore: Options.Schema is for PostgreSQL; use Options.Prefix")
	}
	if !schemas.MatchString(o.Schema) {
		return fmt.Errorf("sqlstore: Options.Schema %q is not usable; use 1 to 63 of a–z, 0–9 and _, not beginning with a digit", o.Schema)
	}
	return nil
}
