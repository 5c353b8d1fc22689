package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

var (
	_ webhook.Store    = (*Store)(nil)
	_ webhook.Clock    = (*Store)(nil)
	_ webhook.Listener = (*Store)(nil)
)

// Options say where the tables are. The zero value is usable.
type Options struct {
	// Prefix begins the name of every table and index: 1 to 30 of a–z, 0–9 and _. Defaults to "webhook_".
	Prefix string

	// Schema is the PostgreSQL schema that the tables are in; Migrate creates it. Empty means wherever search_path says.
	Schema string

	// Listen is for PostgreSQL: it listens to a channel, so that other processes' work is found within milliseconds instead of
	// the next poll. See [Listen]. Nil means polling alone.
	Listen Listen
}

const defaultPrefix = "webhook_"

// A Store keeps webhooks in a SQL database. All its methods are safe for concurrent use, by many processes on one database.
// See [webhook.Store] for what they do.
type Store struct {
	dialect *dialect
	options Options
	ops     []*statement
	writer  *sql.DB
	reader  *sql.DB // of SQLite: several connections beside the writer's
	lister  *sql.DB // of SQLite: several connections for lists alone
	owned   bool    // the three are closed by Close

	turn   chan struct{} // holds who uses the writer's only connection; nil if it has several
	served atomic.Int64  // turns that got the connection

	waiters atomic.Int64 // calls that are taking a connection from a pool

	packet       atomic.Int64           // max_allowed_packet of MySQL; 0 if it is not known
	boundAnswers atomic.Pointer[string] // see answerBound; nil if it is not known

	self    uuid.UUID   // tells this store's steps of the housekeeping from those of others
	stopped atomic.Bool // an endpoint was disabled or deleted, and Prune has not looked at its deliveries since

	mu    sync.Mutex
	floor floor     // of the waiting deliveries
	held  time.Time // when Prune last met a row that another transaction held
	lane  uuid.UUID // where the last round of Claim has ended

	unreadable map[uuid.UUID]int64 // endpoints that claims pass over, with until when
	swept      [sweeps]uuid.UUID   // how far Prune has come, see sweep
	pass       sweepPass

	halved int // how often the pieces of Prune are halved
}

// New returns a Store on a database, which it does not touch: create the tables by [Store.Migrate], or by your own tool from
// [Migrations]. For SQLite use [OpenSQLite], which also opens the file as it should be.
//
// The Store takes connections from db's pool for the duration of single transactions, and never while a request is sent. It
// keeps no state in a session, so that a pooler such as PgBouncer may stand between.
func New(db *sql.DB, dialect Dialect, o Options) (*Store, error) {
	if db == nil {
		return nil, fmt.Errorf("sqlstore: the database is nil; open one with sql.Open")
	}
	return newStore(db, db, dialect.d, o)
}

func newStore(writer, reader *sql.DB, d *dialect, o Options) (*Store, error) {
	if err := o.check(d); err != nil {
		return nil, err
	}
	return &Store{
		dialect: d, options: o, ops: d.compile(&o), writer: writer, reader: reader, lister: reader,
		lane: laneFor(uuid.New()), // begin anywhere
		self: uuid.New(),
	}, nil
}

// DB returns the database that the Store writes to, for your own transactions beside it; see [Store.Tx].
//
// That of OpenSQLite has one connection, because the file has one writer, which a pool of your own would fight for ("database is locked"):
// begin transactions that write here, and read through them while they are open. A query on DB itself would wait for the connection that
// the transaction holds, until its context ends. What only reads may have a pool of its own.
func (s *Store) DB() *sql.DB { return s.writer }

// Close closes what [OpenSQLite] has opened. A database that was given to New is left open.
func (s *Store) Close() error {
	if !s.owned {
		return nil
	}
	return errors.Join(s.lister.Close(), s.reader.Close(), s.writer.Close())
}

var zeroID, lastID = uuid.UUID{}, uuid.UUID(bytes.Repeat([]byte{0xff}, 16))

// noCtx returns the error of a context that has ended.
func noCtx(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	return nil
}
