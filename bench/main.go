// Bench measures the library beside two alternatives. River is a job queue on PostgreSQL; its
// worker signs, posts and logs. The loop signs and posts with net/http, and remembers nothing.
//
//	go run ./bench [-run drain,steady/mariadb,…] [-peers webhook,river,loop] [-n 20000] [-rounds 3]
//
// Without arguments it measures everything in about ten minutes, and prints the tables of
// docs/performance.md and of the README in Markdown. The figures of each round go to the
// standard error, and with -json to the standard output in place of the tables.
//
// It needs Linux and the programs of PostgreSQL 15, 16 or 17. The variants "mariadb" need
// MariaDB too. Bench starts durable servers of its own from these programs, with their default
// settings. It keeps their files in -dir, which must be on a disk, and removes them at the end.
// Nothing else should use the machine meanwhile.
//
// # Scenarios
//
//   - memory: 32 goroutines emit -n events, and nothing is durable
//   - drain: -n stored deliveries to 50 endpoints are sent; on three databases
//   - processes: drain by one process and by four
//   - steady: 32 goroutines emit 2/5 of -n events to one endpoint each, or a tenth of that to
//     ten endpoints each; on three databases
//   - callers: steady with 256 goroutines
//   - latency: 200 events a second for ten seconds
//   - noisy: 20 events a second to ten endpoints; the last endpoint answers after ten seconds,
//     or has a backlog of -n deliveries too
//   - tls: 2/5 of -n events to 1,000 hosts over TLS 1.3; the receiver keeps connections open, or
//     closes each after one response
//
// -run takes the names of scenarios. "steady/mariadb" is one variant, and "drain/" is the
// variant without a name.
//
// # How it measures
//
// The receiver is a process, each sender is a process, and so is the database. The receiver
// verifies each signature and counts each id. A round is void, and bench fails, unless each
// delivery arrives once, has a valid signature, and has a row in the log of the peer.
//
// Peers take turns within a round. Each turn has a new database with 10,000 finished deliveries
// and fresh statistics. PostgreSQL begins after a checkpoint. A figure is the median over the
// rounds. Before a sender is measured, it delivers a few hundred events, so that connections and
// statements are ready. The senders of drain cannot do that, and so each peer drains a small
// database first.
//
// The clock of a peer stops at the last row of its log. Its counts end when its bookkeeping has
// ended. Latency is the time from the call of Emit to the arrival at the receiver. "statements"
// are the messages that a connection sends and waits for: a query, BEGIN, COMMIT, or a batch. On
// MariaDB the preparation of a statement is one more.
//
// # Which figures can be compared
//
// Ratios between peers of one run compare with those of another run. Statements, WAL and
// allocations depend little on the machine. Fsyncs and statements fall when more calls are
// grouped, and so they depend on its speed. Rates and times depend on the machine and on -n.
// Bench warns if other programs used more than a tenth of the machine (foreign_cpu).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// start runs a receiver, a sender, or the benchmark.
func start(ctx context.Context, args []string, out io.Writer) error {
	if isChild, err := runChild(ctx); isChild {
		return err
	}
	o, err := parse(args, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	err = run(ctx, o, out)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	return err
}
