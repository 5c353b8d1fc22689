package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// A bench is one run of this program.
type bench struct {
	*options
	receiver *child
	at       addresses         // of the receiver
	servers  map[string]server // by store; started when they are needed
	out      io.Writer
	results  results
}

var errVoid = errors.New("a round is void, and not part of the tables")

// run measures everything that the options name, and writes it to out.
func run(ctx context.Context, o *options, out io.Writer) (err error) {
	b := &bench{options: o, servers: make(map[string]server), out: out}
	if b.receiver, err = startChild(ctx, roleReceiver); err != nil {
		return err
	}
	defer b.receiver.stop()
	defer func() {
		for _, s := range b.servers {
			err = errors.Join(err, s.stop())
		}
	}()
	report, err := b.tellReceiver(receiverCommand{})
	if err != nil {
		return err
	}
	b.at = report.At
	for i := range scenarios {
		if err := b.measure(ctx, &scenarios[i]); err != nil {
			return err
		}
	}
	if !b.asJSON {
		b.results.print(out, o)
	}
	b.results.warn(os.Stderr)
	if slices.ContainsFunc(b.results, func(r result) bool { return r.problem != "" }) {
		return errVoid
	}
	return nil
}

// warmSize is the size of the rounds that do not count.
const warmSize = 5000

// measure runs the rounds of a scenario.
func (b *bench) measure(ctx context.Context, s *scenario) error {
	variants := s.selected(b.run, b.peers, b.n)
	if s.warm && b.n > warmSize {
		for _, v := range s.selected(b.run, b.peers, warmSize) {
			if _, err := b.round(ctx, s, &v, 0); err != nil {
				return err
			}
		}
	}
	for number := 1; number <= b.rounds; number++ {
		for i := range variants {
			r, err := b.round(ctx, s, &variants[i], number)
			if err != nil {
				return err
			}
			b.results = append(b.results, r)
			if err := b.show(&r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) round(ctx context.Context, s *scenario, v *variant, number int) (result, error) {
	r := round{bench: b, variant: v, name: fmt.Sprintf("%s round %d", v.label(s.name), number)}
	if err := r.run(ctx); err != nil {
		return result{}, fmt.Errorf("%s: %w", r.name, err)
	}
	return r.result(s.name, number), nil
}

// show writes the result of a round.
func (b *bench) show(r *result) error {
	fmt.Fprintln(os.Stderr, r.brief())
	if !b.asJSON {
		return nil
	}
	return json.NewEncoder(b.out).Encode(r)
}

// server returns the server of a store.
func (b *bench) server(ctx context.Context, store string) (server, error) {
	if s := b.servers[store]; s != nil {
		return s, nil
	}
	s, err := startServer(ctx, store, b.options)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", store, err)
	}
	b.servers[store] = s
	return s, nil
}

// tellReceiver sends a command to the receiver.
func (b *bench) tellReceiver(c receiverCommand) (report receiverReport, err error) {
	if err = b.receiver.ask(c, &report); err != nil {
		err = fmt.Errorf("receiver: %w", err)
	}
	return report, err
}
