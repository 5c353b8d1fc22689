package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	history = 10_000 // finished deliveries in each database, or -n if that is less

	roundTimeout = 10 * time.Minute
	stallTimeout = 2 * time.Minute // without an arrival
	hangTime     = 10 * time.Second
	lookEvery    = 20 * time.Millisecond
)

// A round measures one variant once.
type round struct {
	*bench
	variant *variant
	name    string

	before, after counters
	senders       []senderReport
	receiverCPU   time.Duration // while the load ran
	machineCPU    time.Duration // of all programs, while the load ran
	took          time.Duration // the period of machineCPU
	report        receiverReport
}

func (r *round) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	v := r.variant
	spec := senderSpec{Name: r.name, Peer: v.peer, Store: v.store, Receiver: r.at, Targets: v.dataset.Targets, Load: v.load}
	if !v.durable() {
		return r.send(ctx, &spec, nil)
	}
	server, err := r.server(ctx, v.store)
	if err != nil {
		return err
	}
	data := v.dataset
	data.History = min(history, r.n)
	if spec.DSN, err = server.create(ctx, v.peer, &data, r.at); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if err := r.send(ctx, &spec, server); err != nil {
		return err
	}
	if err := server.idle(ctx); err != nil {
		return err
	}
	r.after, err = server.counters(ctx)
	return errors.Join(err, server.drop(ctx, spec.DSN))
}

// send runs the senders until all deliveries have arrived, or no more do. server may be nil.
func (r *round) send(ctx context.Context, spec *senderSpec, server server) error {
	v := r.variant
	command := receiverCommand{Forget: true, Closes: v.closes}
	if v.dataset.Backlog > 0 {
		command.Hang = hangTime // or the warm-up would deliver the backlog
	}
	if _, err := r.tellReceiver(command); err != nil {
		return err
	}
	senders, err := r.startSenders(ctx, spec)
	defer func() {
		for _, s := range senders {
			s.stop()
		}
	}()
	if err != nil {
		return err
	}
	if v.dataset.Targets.Hangs {
		command.Hang = hangTime
	}
	ready, err := r.tellReceiver(command)
	if err != nil {
		return err
	}
	if server != nil {
		if err := server.checkpoint(ctx); err != nil {
			return err
		}
		if r.before, err = server.counters(ctx); err != nil {
			return err
		}
	}
	busy, began := machineBusy(), time.Now()
	for _, s := range senders {
		if err := s.Encode(senderCommand{}); err != nil {
			return err
		}
	}
	command.Forget = false
	if err := r.await(ctx, command); err != nil {
		return err
	}
	for _, s := range senders {
		if err := s.Encode(senderCommand{}); err != nil {
			return err
		}
	}
	r.senders = make([]senderReport, len(senders))
	for i, s := range senders {
		if err := s.Decode(&r.senders[i]); err != nil {
			return fmt.Errorf("a sender has ended: %w", err)
		}
	}
	r.machineCPU, r.took = machineBusy()-busy, time.Since(began)
	r.report, err = r.tellReceiver(receiverCommand{Latency: true})
	r.receiverCPU = r.report.CPU - ready.CPU
	return err
}

// startSenders starts the senders of the variant and waits until they are ready.
func (r *round) startSenders(ctx context.Context, spec *senderSpec) (senders []*child, err error) {
	for i := range max(r.variant.processes, 1) {
		one := *spec
		if r.profiles != "" {
			one.Profile = filepath.Join(r.profiles, fmt.Sprintf("%s-%d.pprof", strings.ReplaceAll(r.name, " ", "-"), i))
		}
		s, err := startChild(ctx, roleSender)
		if err != nil {
			return senders, err
		}
		senders = append(senders, s)
		if err := s.ask(one, &senderReport{}); err != nil {
			return senders, fmt.Errorf("a sender has ended: %w", err)
		}
	}
	return senders, nil
}

// await returns when all deliveries have arrived, or when none has arrived for long. Then it
// lets the hanging endpoint answer.
func (r *round) await(ctx context.Context, command receiverCommand) error {
	last := time.Now()
	for arrived := 0; arrived < r.variant.expect && time.Since(last) < stallTimeout; time.Sleep(lookEvery) {
		report, err := r.tellReceiver(command)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if n := report.Arrivals[healthy].Distinct; n > arrived {
			arrived, last = n, time.Now()
		}
	}
	command.Hang = 0
	_, err := r.tellReceiver(command)
	return err
}

// result judges the round and makes its figures.
func (r *round) result(scenario string, number int) result {
	v, seen := r.variant, r.report.Arrivals[healthy]
	figures := map[string]float64{
		"deliveries":       float64(seen.Distinct),
		"lost":             float64(v.expect - seen.Distinct),
		"duplicates":       float64(seen.Requests - seen.Distinct),
		"deliveries_per_s": float64(seen.Distinct) / r.duration().Seconds(),
	}
	for i := range r.senders {
		figures["rss_mb"] = max(figures["rss_mb"], float64(r.senders[i].Peak)/1e6)
	}
	if v.dataset.Preload == 0 { // preloaded events were emitted long before
		figures["p50_ms"], figures["p99_ms"] = milliseconds(seen.P50), milliseconds(seen.P99)
	}
	costs := r.costs()
	if v.dataset.Targets.Hangs { // the work for the hanging endpoint is not theirs
		costs = map[string]float64{"foreign_cpu": costs["foreign_cpu"]}
	}
	maps.Copy(figures, costs)
	if v.dataset.Targets.TLS {
		figures["handshakes"] = float64(r.report.Handshakes) / float64(v.expect)
		figures["resumptions"] = float64(r.report.Resumptions) / float64(v.expect)
	}
	return result{scenario: scenario, peer: v.peer, variant: v.name, round: number, figures: figures, problem: r.problem()}
}

// duration returns the time from the start of the first sender to the last delivery.
func (r *round) duration() time.Duration {
	began, last := r.senders[0].Began, r.senders[0].Last
	for i := range r.senders {
		if t := r.senders[i].Began; t.Before(began) {
			began = t
		}
		if t := r.senders[i].Last; t.After(last) {
			last = t
		}
	}
	return last.Sub(began)
}

// costs returns the figures of one delivery.
func (r *round) costs() map[string]float64 {
	each := 1 / float64(r.variant.expect)
	var cpu time.Duration
	var mallocs uint64
	statements := r.after.statements - r.before.statements
	for i := range r.senders {
		cpu += r.senders[i].CPU
		mallocs += r.senders[i].Mallocs
		statements += r.senders[i].Statements
	}
	figures := map[string]float64{
		"allocs":          float64(mallocs) * each,
		"cpu_sender_us":   microseconds(cpu) * each,
		"cpu_receiver_us": microseconds(r.receiverCPU) * each,
	}
	cpu += r.receiverCPU
	if r.after != (counters{}) {
		database := r.after.cpu - r.before.cpu
		cpu += database
		figures["cpu_database_us"] = microseconds(database) * each
		figures["statements"] = float64(statements) * each
		figures["wal_bytes"] = float64(r.after.wal-r.before.wal) * each
		figures["fsyncs"] = float64(r.after.syncs-r.before.syncs) * each
	}
	figures["cpu_us_per_delivery"] = microseconds(cpu) * each
	// A few hundredths are the kernel's work for all programs.
	figures["foreign_cpu"] = max(0, (r.machineCPU-cpu).Seconds()/r.took.Seconds()/float64(runtime.NumCPU()))
	return figures
}

// problem says why the round is void; it is empty if the round counts.
func (r *round) problem() string {
	var problems []string
	check := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	seen := r.report.Arrivals[healthy]
	check(seen.Distinct != r.variant.expect, "%d deliveries arrived, not %d", seen.Distinct, r.variant.expect)
	check(seen.Requests != seen.Distinct, "%d requests for %d deliveries", seen.Requests, seen.Distinct)
	for name, a := range r.report.Arrivals {
		check(a.Invalid > 0, "%d invalid signatures (%s)", a.Invalid, name)
	}
	logged := 0 // as the last of the senders to finish has read it
	for i := range r.senders {
		logged = max(logged, r.senders[i].Logged)
	}
	check(logged != seen.Requests && r.variant.peer != peerLoop, "%d rows in the log for %d requests", logged, seen.Requests)
	return strings.Join(problems, "; ")
}
