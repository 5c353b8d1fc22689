package main

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// A tracer counts what a peer's connections send to PostgreSQL and wait for, BEGIN and COMMIT included. It sits in pgx, below
// database/sql as well as pgxpool, so that every peer is counted in the same way.
type tracer struct{ count atomic.Int64 }

var (
	_ pgx.QueryTracer    = (*tracer)(nil)
	_ pgx.BatchTracer    = (*tracer)(nil)
	_ pgx.CopyFromTracer = (*tracer)(nil)
)

type uncountedKey struct{}

// uncounted marks what bench itself asks on a peer's connection.
func uncounted(ctx context.Context) context.Context {
	return context.WithValue(ctx, uncountedKey{}, true)
}

func (t *tracer) add(ctx context.Context) context.Context {
	if ctx.Value(uncountedKey{}) == nil {
		t.count.Add(1)
	}
	return ctx
}

// TraceQueryStart implements [pgx.QueryTracer].
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return t.add(ctx)
}

// TraceBatchStart implements [pgx.BatchTracer].
func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return t.add(ctx)
}

// TraceCopyFromStart implements [pgx.CopyFromTracer].
func (t *tracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return t.add(ctx)
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (*tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchQuery implements [pgx.BatchTracer].
func (*tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements [pgx.BatchTracer].
func (*tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TraceCopyFromEnd implements [pgx.CopyFromTracer].
func (*tracer) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}
