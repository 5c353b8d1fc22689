package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A bench is what a run works with.
type bench struct {
	*options
	cluster   *cluster // nil if nobody needs it
	receiver  *child
	at        addresses         // the receiver's
	files     string            // directory of SQLite files
	templates map[string]string // names of databases, and of SQLite files, by what is in them
	bases     []string          // those that others are copied from
}

var errVoid = errors.New("at least one round is void: see above")

// run measures everything that the options name, and writes it to out.
func run(ctx context.Context, o *options, out io.Writer) (err error) {
	b := &bench{options: o, templates: make(map[string]string)}
	if b.uses(func(p *plan) bool { return p.store == storeSQLite }) {
		if b.files, err = makeDir(o.dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(b.files)) }()
	}
	if b.uses((*plan).usesPostgres) {
		if b.cluster, err = openCluster(ctx, o.postgres); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.cluster.close(ctx)) }()
	}
	if b.receiver, err = startChild(ctx, roleReceiver); err != nil {
		return err
	}
	defer b.receiver.stop()
	t, err := b.order(order{})
	if err != nil {
		return err
	}
	b.at = t.At
	var results []result
	for i := range scenarios {
		s := &scenarios[i]
		if !slices.Contains(b.scenarios, s.name) {
			continue
		}
		measured, err := b.runScenario(ctx, s, out)
		results = append(results, measured...)
		if err != nil {
			return err
		}
	}
	if !b.asJSON {
		report(out, b.options, results)
	}
	if slices.ContainsFunc(results, func(r result) bool { return r.problem != "" }) {
		return errVoid
	}
	return nil
}

// uses reports whether one of the plans is such.
func (b *bench) uses(such func(*plan) bool) bool {
	for i := range scenarios {
		if !slices.Contains(b.scenarios, scenarios[i].name) {
			continue
		}
		for _, p := range b.plans(&scenarios[i], b.n) {
			if such(&p) {
				return true
			}
		}
	}
	return false
}

// plans are those of the peers that are asked for.
func (b *bench) plans(s *scenario, n int) []plan {
	return slices.DeleteFunc(s.plans(n), func(p plan) bool { return !slices.Contains(b.peers, p.peer) })
}

func (b *bench) runScenario(ctx context.Context, s *scenario, out io.Writer) ([]result, error) {
	plans := b.plans(s, b.n)
	if s.warm {
		small := b.plans(s, min(b.n, warmSize))
		for i := range small {
			if _, err := b.round(ctx, name(s, &small[i], 0), &small[i]); err != nil {
				return nil, err
			}
		}
	}
	var results []result
	for round := 1; round <= b.rounds; round++ {
		for i := range plans {
			p := &plans[i]
			m, err := b.round(ctx, name(s, p, round), p)
			if err != nil {
				return results, fmt.Errorf("%s: %w", name(s, p, round), err)
			}
			r := m.result(s.name, round)
			results = append(results, r)
			if err := b.say(out, &r); err != nil {
				return results, err
			}
		}
	}
	return results, b.forget(ctx)
}

// warmSize is -n of what is not counted.
const warmSize = 5000

// forget drops the prepared databases of a scenario, but not what they are made from.
func (b *bench) forget(ctx context.Context) error {
	for key, name := range b.templates {
		if slices.Contains(b.bases, name) || filepath.IsAbs(name) { // files are removed at the end
			continue
		}
		if err := b.cluster.drop(ctx, name); err != nil {
			return err
		}
		delete(b.templates, key)
	}
	return nil
}

func name(s *scenario, p *plan, round int) string {
	parts := []string{s.name, p.peer}
	if p.variant != "" {
		parts = append(parts, p.variant)
	}
	return strings.Join(append(parts, fmt.Sprint(round)), "-")
}

// say tells of a round as soon as it is over.
func (b *bench) say(out io.Writer, r *result) error {
	if b.asJSON {
		line, err := r.MarshalJSON()
		if err == nil {
			_, err = fmt.Fprintf(out, "%s\n", line)
		}
		if err != nil {
			return err
		}
	}
	if r.problem != "" {
		fmt.Fprintf(os.Stderr, "%s round %d is void: %s\n", r.label(), r.round, r.problem)
	}
	fmt.Fprintf(os.Stderr, "%s round %d: %s\n", r.label(), r.round, r.brief())
	return nil
}

// order tells the receiver something and returns what it has seen.
func (b *bench) order(o order) (t tally, err error) {
	if err := b.receiver.tell(o); err != nil {
		return t, fmt.Errorf("receiver: %w", err)
	}
	if err := b.receiver.hear(&t); err != nil {
		return t, fmt.Errorf("receiver: %w", err)
	}
	return t, nil
}

// countSQLite asks a file that nobody uses any more.
func countSQLite(ctx context.Context, file, query string) (n int, err error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = errors.Join(db.QueryRowContext(ctx, query).Scan(&n), db.Close())
	return n, err
}
