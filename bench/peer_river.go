package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// Settings that River leaves to its users. Its default cooldown, 100 ms, would limit it to ten
// fetches a second.
const (
	riverWorkers     = 200
	riverConnections = 40
	riverCooldown    = 5 * time.Millisecond
	riverPoll        = 50 * time.Millisecond
)

// A riverPeer is a solution on a job queue: a job for each delivery, and a worker that signs,
// posts, and adds a row to a log. Its endpoints are in memory, which saves River a query.
type riverPeer struct {
	client  *river.Client[pgx.Tx]
	pool    *pgxpool.Pool
	targets targets
}

func openRiver(ctx context.Context, s *sender) (*riverPeer, error) {
	pool, err := openPool(ctx, s.DSN, riverConnections, &s.statements)
	if err != nil {
		return nil, err
	}
	post, err := newPoster(riverWorkers, s.Receiver)
	if err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	endpoints := append(s.Targets.endpoints(s.Receiver), pastEndpoint(s.Receiver))
	river.AddWorker(workers, &deliverWorker{poster: post, pool: pool, endpoints: endpoints, done: &s.progress})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
		Workers:           workers,
		FetchCooldown:     riverCooldown,
		FetchPollInterval: riverPoll,
		JobTimeout:        30 * time.Second,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	return &riverPeer{client: client, pool: pool, targets: s.Targets}, err
}

func (p *riverPeer) begin(ctx context.Context) error { return p.client.Start(ctx) }

func (p *riverPeer) emit(ctx context.Context, e event) error {
	jobs := p.jobs(e)
	if len(jobs) == 1 {
		_, err := p.client.Insert(ctx, jobs[0].Args, nil)
		return err
	}
	_, err := p.client.InsertManyFast(ctx, jobs)
	return err
}

// jobs returns a job for each delivery. Each job has the data of the event. Jobs that shared a
// row of a table would have to read it.
func (p *riverPeer) jobs(e event) []river.InsertManyParams {
	id, now := uuid.Must(uuid.NewV7()).String(), time.Now()
	if e.Tenant == pastTenant {
		last := p.targets.Tenants * p.targets.Endpoints // pastEndpoint follows the others
		return []river.InsertManyParams{{Args: deliverArgs{id, last, now, e.Data}}}
	}
	jobs := make([]river.InsertManyParams, p.targets.Endpoints)
	for i := range jobs {
		jobs[i].Args = deliverArgs{id, e.Tenant*p.targets.Endpoints + i, now, e.Data}
	}
	return jobs
}

// insertBatches inserts jobs. Nothing works them.
func (p *riverPeer) insertBatches(ctx context.Context, count int, tenant func(n int) int) error {
	for begin := 0; begin < count; begin += batchSize {
		var jobs []river.InsertManyParams
		for n := begin; n < min(begin+batchSize, count); n++ {
			jobs = append(jobs, p.jobs(newEvent(n, tenant(n)))...)
		}
		if _, err := p.client.InsertManyFast(ctx, jobs); err != nil {
			return err
		}
	}
	return nil
}

func (p *riverPeer) finish(ctx context.Context) error { return p.client.Stop(ctx) }

func (p *riverPeer) logged(ctx context.Context) (n int, err error) {
	err = p.pool.QueryRow(uncounted(ctx), countRows("delivery_log")).Scan(&n)
	return n, err
}

// deliverArgs is a job: an event for one endpoint.
type deliverArgs struct {
	EventID  string          `json:"event_id"`
	Endpoint int             `json:"endpoint"`
	Time     time.Time       `json:"time"`
	Data     json.RawMessage `json:"data"`
}

// Kind implements [river.JobArgs].
func (deliverArgs) Kind() string { return "deliver" }

// createLog makes a log with the facts that the library logs of an attempt. Its only index is
// its key. A log that customers can read needs one more.
const createLog = `CREATE TABLE delivery_log (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event_id    uuid NOT NULL,
	endpoint_id text NOT NULL,
	attempt     int NOT NULL,
	started_at  timestamptz NOT NULL,
	duration_us bigint NOT NULL,
	status      int NOT NULL,
	error       text NOT NULL
)`

const insertLog = `INSERT INTO delivery_log (event_id, endpoint_id, attempt, started_at, duration_us, status, error)
	VALUES ($1, $2, $3, $4, $5, $6, $7)`

// A deliverWorker works jobs.
type deliverWorker struct {
	river.WorkerDefaults[deliverArgs]
	*poster
	pool      *pgxpool.Pool
	endpoints []endpoint
	done      *progress
}

// Work implements [river.Worker].
func (w *deliverWorker) Work(ctx context.Context, job *river.Job[deliverArgs]) error {
	args, to := &job.Args, &w.endpoints[job.Args.Endpoint]
	began := time.Now()
	status, err := w.post(ctx, to.URL, args.EventID, began, encode(args.Time, args.Data))
	problem := ""
	switch {
	case err != nil:
		problem = err.Error()
	case status < 200 || status > 299:
		problem = http.StatusText(status)
	}
	_, err = w.pool.Exec(ctx, insertLog, args.EventID, to.ID, job.Attempt, began, time.Since(began).Microseconds(), status, problem)
	if err != nil {
		return err
	}
	if problem != "" {
		fmt.Fprintln(os.Stderr, "river: a request failed:", problem) // the round will be void
		return errors.New(problem)
	}
	if to.ID != hanging {
		w.done.add(1)
	}
	return nil
}
