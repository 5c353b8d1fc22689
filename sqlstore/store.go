package sqlstore

import (
	"bytes"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

var (
	_ webhook.Store    = (*Store)(nil)
	_ webhook.Clock    = (*Store)(nil)
	_ webhook.Listener = (*Store)(nil)
)

// Options say where the tables are, and how processes wake each other. The zero value is
// usable.
type Options struct {
	// Prefix begins the name of every table and index. It has 1 to 30 of a–z, 0–9 and _, and
	// does not begin with a digit. Defaults to "webhook_".
	Prefix string

	// Schema is the PostgreSQL schema of the tables. Migrate creates it. Defaults to the schema
	// that search_path selects.
	Schema string

	// Listen listens to a PostgreSQL channel, so that work from other processes is found within
	// milliseconds instead of at the next poll. See [Listen]. Defaults to nil, which means
	// polling alone.
	Listen Listen
}

const defaultPrefix = "webhook_"

// A Store keeps webhooks in a SQL database. All its methods are safe for concurrent use, by
// many processes on one database. See [webhook.Store] for the contract of its methods.
type Store struct {
	dialect *dialect
	options Options
	db      *engine.DB
	owned   bool         // Close closes the connections of db
	packet  atomic.Int64 // what packetLimit returned; 0 if it is not known

	self    uuid.UUID   // distinguishes this store's housekeeping from the housekeeping of others
	stopped atomic.Bool // an endpoint was disabled or deleted, and Prune has not looked at its deliveries since

	mu     sync.Mutex
	floor  floor     // of the waiting deliveries
	heldAt time.Time // when Prune last met a row that another transaction held
	lane   uuid.UUID // where the last round of Claim ended

	unreadable map[uuid.UUID]int64 // endpoints that claims pass over, and until when
	swept      [sweeps]uuid.UUID   // how far each sweep of Prune has come, see sweep
	pass       sweepPass

	halved int // how often the batch sizes of Prune are halved
}

// New returns a Store on a database. New itself does not touch the database. Create the tables
// with [Store.Migrate], or apply [Migrations] with a tool of your own. For SQLite use
// [OpenSQLite], which also opens the file with the right settings.
//
// The Store takes connections from db's pool for single transactions only, and never while a
// request is sent. It keeps no state in a session, so a pooler such as PgBouncer may be used.
func New(db *sql.DB, dialect Dialect, o Options) (*Store, error) {
	if db == nil {
		return nil, fmt.Errorf("sqlstore: the database is nil; open one with sql.Open")
	}
	return newStore(engine.Config{Writer: db, Reader: db, Lister: db}, dialect.d, o)
}

// newStore returns a Store on the connections of c.
func newStore(c engine.Config, d *dialect, o Options) (*Store, error) {
	if err := o.check(d); err != nil {
		return nil, err
	}
	c.Dialect, c.Statements = &d.Dialect, d.compile(&o)
	return &Store{
		dialect: d, options: o, db: engine.New(c),
		lane: laneFor(uuid.New()), // begin at a random lane
		self: uuid.New(),
	}, nil
}

// DB returns the database that the Store writes to, for your own transactions. See [Store.Tx].
//
// With OpenSQLite this database has a single connection, because an SQLite file has one writer
// at a time. A pool of your own would compete with it ("database is locked"). So begin
// transactions that write on DB, and read through them while they are open. A query on DB
// itself would wait for the transaction's connection until its context ends. Code that only
// reads may use a pool of its own.
func (s *Store) DB() *sql.DB { return s.db.Writer }

// Close closes the databases that [OpenSQLite] opened. It leaves a database open that was given
// to New.
func (s *Store) Close() error {
	if !s.owned {
		return nil
	}
	return s.db.Close()
}

var zeroID, lastID = uuid.UUID{}, uuid.UUID(bytes.Repeat([]byte{0xff}, 16))
