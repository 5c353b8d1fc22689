package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"
)

// Listen listens to a PostgreSQL channel, on a connection that does not belong to the pool. It
// calls notified once when it has begun, and for each notification. It returns when ctx ends,
// or with an error when the connection is lost. After an error it is called again. With pgx:
//
//	func listen(ctx context.Context, channel string, notified func()) error {
//		conn, err := pgx.Connect(ctx, databaseURL) // not through PgBouncer
//		if err != nil {
//			return err
//		}
//		defer conn.Close(context.Background())
//		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
//			return err
//		}
//		for notified(); ; notified() {
//			if _, err := conn.WaitForNotification(ctx); err != nil {
//				return err
//			}
//		}
//	}
type Listen func(ctx context.Context, channel string, notified func()) error

// maxChannel is the maximum length of a channel's name in PostgreSQL, in bytes.
const maxChannel = 63

// channel returns the name of the channel through which processes notify each other.
func (s *Store) channel() string {
	name := s.options.Prefix + "wake"
	if s.options.Schema != "" {
		name = s.options.Schema + "_" + name
	}
	if len(name) > maxChannel {
		sum := sha256.Sum256([]byte(name))
		name = "webhook_" + hex.EncodeToString(sum[:16])
	}
	return name
}

// Listen implements [webhook.Listener]. Without Options.Listen it returns [errors.ErrUnsupported].
func (s *Store) Listen(ctx context.Context, notified func()) error {
	if s.options.Listen == nil || !s.dialect.listens {
		return errors.ErrUnsupported
	}
	return s.explain(ctx, s.options.Listen(ctx, s.channel(), notified))
}

// Notify implements [webhook.Listener]. It makes all listening processes look for work now. It
// runs in a transaction of its own, because PostgreSQL commits transactions that notify one
// after the other.
func (s *Store) Notify(ctx context.Context) error {
	if s.options.Listen == nil || !s.dialect.listens {
		return errors.ErrUnsupported
	}
	conn, giveBack, err := s.db.ConnectWriter(ctx)
	if err == nil {
		defer giveBack()
		_, err = conn.ExecContext(ctx, `SELECT pg_notify($1, '')`, s.channel())
	}
	return s.explain(ctx, err)
}

// Now implements [webhook.Clock]. It returns the time of the database server. SQLite has only
// this machine's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if s.dialect.clock == "" {
		return time.Now().UTC(), ctx.Err()
	}
	var us sql.NullInt64
	conn, err := s.db.ConnectReader(ctx)
	if err == nil {
		defer conn.Close()
		err = conn.QueryRowContext(ctx, s.dialect.clock).Scan(&us)
	}
	return always(us.Int64), s.explain(ctx, err)
}
