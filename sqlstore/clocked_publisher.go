package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/gowebhook/webhook"
)

var _ webhook.Clock = clockedPublisher{}

// A clockedPublisher is a txPublisher that can ask the server for the time.
type clockedPublisher struct{ txPublisher }

// Now implements [webhook.Clock].
func (p clockedPublisher) Now(ctx context.Context) (time.Time, error) {
	var us int64
	err := p.asks(ctx, p.store.dialect.clock, &us)
	return always(us), p.store.explain(ctx, err)
}

// An ask reads the only value of a query's only row.
type ask func(ctx context.Context, query string, into any) error

// asker returns an ask that uses the caller's transaction, or nil if x takes no queries.
func asker(x Execer) ask {
	switch x := x.(type) {
	case interface {
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}:
		return func(ctx context.Context, query string, into any) error {
			return x.QueryRowContext(ctx, query).Scan(into)
		}
	case interface {
		ask(ctx context.Context, query string, into any) error
	}:
		return x.ask
	}
	return nil
}
