package main

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// A statementCounter counts the messages that connections send to PostgreSQL and wait for. It
// is a tracer of pgx, below database/sql and below pgxpool, so that peers are counted alike.
type statementCounter struct{ count atomic.Int64 }

var (
	_ pgx.QueryTracer    = (*statementCounter)(nil)
	_ pgx.BatchTracer    = (*statementCounter)(nil)
	_ pgx.CopyFromTracer = (*statementCounter)(nil)
)

type uncountedKey struct{}

// uncounted marks a statement of bench on a connection of a peer.
func uncounted(ctx context.Context) context.Context {
	return context.WithValue(ctx, uncountedKey{}, true)
}

func (c *statementCounter) add(ctx context.Context) context.Context {
	if ctx.Value(uncountedKey{}) == nil {
		c.count.Add(1)
	}
	return ctx
}

// TraceQueryStart implements [pgx.QueryTracer].
func (c *statementCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return c.add(ctx)
}

// TraceBatchStart implements [pgx.BatchTracer].
func (c *statementCounter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return c.add(ctx)
}

// TraceCopyFromStart implements [pgx.CopyFromTracer].
func (c *statementCounter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return c.add(ctx)
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (*statementCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchQuery implements [pgx.BatchTracer].
func (*statementCounter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements [pgx.BatchTracer].
func (*statementCounter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TraceCopyFromEnd implements [pgx.CopyFromTracer].
func (*statementCounter) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}
