package main

import (
	"context"
	"encoding/json"
	"errors"
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

// A riverPeer is what a team would build on a job queue: a job for each delivery, and a worker that signs, posts, and adds a row to
// a log. Endpoints are in its memory, which saves it the lookup that a real one makes.
type riverPeer struct {
	client *river.Client[pgx.Tx]
	pool   *pgxpool.Pool
	tracer *tracer
	layout layout
}

// deliverArgs is a job: an event for one endpoint.
type deliverArgs struct {
	EventID  string          `json:"event_id"`
	Endpoint int             `json:"endpoint"`
	Type     string          `json:"type"`
	Time     time.Time       `json:"time"`
	Data     json.RawMessage `json:"data"`
}

// Kind implements [river.JobArgs].
func (deliverArgs) Kind() string { return "deliver" }

const (
	// deliveryLog has what the library logs of an attempt. It has no index but its key, though a log that customers may look at
	// needs one for each endpoint.
	deliveryLog = `CREATE TABLE delivery_log (
		id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		event_id    uuid NOT NULL,
		endpoint_id text NOT NULL,
		attempt     int NOT NULL,
		started_at  timestamptz NOT NULL,
		duration_us bigint NOT NULL,
		status      int NOT NULL,
		error       text NOT NULL
	)`
	insertLog = `INSERT INTO delivery_log (event_id, endpoint_id, attempt, started_at, duration_us, status, error)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

func openRiver(ctx context.Context, s *spec, done *ledger) (*riverPeer, error) {
	tracer := &tracer{}
	pool, err := openPool(ctx, s.Postgres, s.Database, s.River.Connections, tracer)
	if err != nil {
		return nil, err
	}
	post, err := newPoster(s.River.Workers)
	if err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &deliverWorker{poster: post, pool: pool, endpoints: append(s.Layout.endpoints(s.Receiver), pastEndpoint(s.Receiver)), done: done})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: s.River.Workers}},
		Workers:           workers,
		FetchCooldown:     time.Duration(s.River.CooldownMS) * time.Millisecond,
		FetchPollInterval: time.Duration(s.River.PollMS) * time.Millisecond,
		JobTimeout:        30 * time.Second,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	return &riverPeer{client: client, pool: pool, tracer: tracer, layout: s.Layout}, err
}

// prepareRiver makes the tables and a history, or else jobs.
func prepareRiver(ctx context.Context, isBase bool, p *preparation, postgres, database string) error {
	pool, err := openPool(ctx, postgres, database, 2, nil)
	if err != nil {
		return err
	}
	defer pool.Close()
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		return err
	}
	peer := &riverPeer{client: client, layout: p.Layout}
	if isBase {
		return makeRiverHistory(ctx, peer, pool)
	}
	for begin := 0; begin < p.Preload; begin += batchSize {
		var jobs []river.InsertManyParams
		for n := begin; n < min(begin+batchSize, p.Preload); n++ {
			jobs = append(jobs, peer.jobs(event{n, n % p.Layout.Tenants, eventData(n, text)})...)
		}
		if _, err := client.InsertManyFast(ctx, jobs); err != nil {
			return err
		}
	}
	return nil
}

// jobs are those of one event. Each has the data: with a table of events each job would have to read it from there.
func (p *riverPeer) jobs(e event) []river.InsertManyParams {
	id, now := uuid.Must(uuid.NewV7()).String(), time.Now()
	if e.Tenant == toThePast {
		return []river.InsertManyParams{{Args: deliverArgs{id, p.layout.count(), eventType, now, e.Data}}}
	}
	jobs := make([]river.InsertManyParams, p.layout.Fanout)
	for i := range jobs {
		jobs[i].Args = deliverArgs{id, e.Tenant*p.layout.Fanout + i, eventType, now, e.Data}
	}
	return jobs
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

// stored returns at once: an event's jobs are inserted in one transaction.
func (*riverPeer) stored(context.Context) error { return nil }

// finish waits until the jobs that have been worked are completed in the database.
func (p *riverPeer) finish(ctx context.Context) error {
	for {
		var open bool
		// The statements that ask are not River's: they go past the tracer's count.
		if err := p.pool.QueryRow(uncounted(ctx), `SELECT EXISTS (SELECT 1 FROM river_job WHERE state = 'running')`).Scan(&open); err != nil || !open {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("river: jobs are still running")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (p *riverPeer) statements() int64                 { return p.tracer.count.Load() }
func (*riverPeer) logged(context.Context) (int, error) { return -1, nil }

type deliverWorker struct {
	river.WorkerDefaults[deliverArgs]
	*poster
	pool      *pgxpool.Pool
	endpoints []endpoint
	done      *ledger
}

// Work implements [river.Worker].
func (w *deliverWorker) Work(ctx context.Context, job *river.Job[deliverArgs]) error {
	args, to := &job.Args, &w.endpoints[job.Args.Endpoint]
	began := time.Now()
	status, err := w.post(ctx, to.URL, args.EventID, began, encode(args.Type, args.Time, args.Data))
	problem := ""
	switch {
	case err != nil:
		problem = err.Error()
	case status < 200 || status > 299:
		problem = http.StatusText(status)
	}
	if _, err := w.pool.Exec(ctx, insertLog, args.EventID, to.ID, job.Attempt, began, time.Since(began).Microseconds(), status, problem); err != nil {
		return err
	}
	if problem != "" {
		return errors.New(problem)
	}
	w.done.add(1)
	return nil
}
