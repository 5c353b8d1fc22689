// Bench measures the library beside what a team would use in its place: River, a job queue on PostgreSQL, with a worker that signs,
// posts and logs; and the bare loop that signs and posts with net/http and remembers nothing.
//
//	go run ./bench [-run drain,steady,…] [-peers webhook,river,raw] [-n 50000] [-rounds 3] [-short] [-json]
//
// It needs a PostgreSQL server with full durability on this machine (-postgres, or WEBHOOK_TEST_POSTGRES; by default the one on
// 127.0.0.1:5432), and makes databases of its own there, which it drops at the end. A run without arguments takes about 20
// minutes, -short about 5. Nothing else should use the machine or the server meanwhile: WAL, fsyncs and the server's CPU are
// counted for all of it. How much of the machine others took is in foreign_cpu, and the report complains of more than a tenth.
//
// # How it measures
//
// The receiver is a process of its own, and so is each sender; PostgreSQL is there anyway. The receiver verifies every signature
// and counts every id. Peers take turns within each round, each on a fresh copy of a prepared database, after a CHECKPOINT; the
// figures are medians over the rounds. A prepared database holds 10,000 deliveries that are over, and is vacuumed and analyzed. A round is void, and the program fails, unless every delivery arrived exactly once, with
// a valid signature, and has its row in the peer's log of attempts.
//
// Each peer's rate ends with the last row of its log, and its counts when its bookkeeping is over. p50, p99 and p999 are from
// just before the call that emits to the arrival at the receiver. "Statements" are what a connection sends and waits for:
// queries, BEGIN, COMMIT, a batch or a COPY as one; they are counted by the same tracer of pgx for every peer.
//
// # Scenarios
//
//   - memory: 32 goroutines emit one by one, webhook on memstore; nothing is durable
//   - drain: a preloaded backlog of -n deliveries, to 50 endpoints of as many tenants
//   - steady: 32 goroutines emit one by one, two fifths of -n deliveries, each event to 1 endpoint or to 10; also on SQLite
//   - latency: 200 events a second
//   - noisy: 20 events a second to 10 endpoints, of which one takes 10 s for each answer, or none
//   - backlog: 200 events a second to 10 endpoints, beside one with 20 times -n deliveries due that hangs or refuses; and a claim
//     beside 10,000 endpoints which only have retries in the future
//   - fanout: one event to a fifth of -n endpoints
//   - match: Emit and EmitTx to tenants with 10 endpoints and with twice -n, without Run
//   - processes: drain by 1, 2 and 4 processes
//   - snapshot: drain, four times -n (River: -n), while another session keeps an old snapshot
//
// # What can be compared
//
// Ratios between peers of one run can be compared with those of another run of the same -n. Statements, fsyncs, WAL and
// allocations per delivery hardly depend on the machine; fsyncs and statements do depend on how much is grouped, and so on its
// speed. Times and rates of -short are those of a smaller database: compare them with other short runs only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	if err := play(); err != nil {
		log.Fatal(err)
	}
}

// play is this process's part.
func play() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if isChild, err := beChild(ctx); isChild {
		return err
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	err = run(ctx, o, os.Stdout)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	return err
}
