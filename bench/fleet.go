package main

import (
	"context"
	"fmt"
	"time"
)

// A fleet is the senders of one round.
type fleet struct {
	senders []*child
	latest  []news
	news    chan numbered
}

// Numbered is news of one of the senders.
type numbered struct {
	sender int
	news   news
	err    error
}

// start starts a sender and waits until it is ready.
func (f *fleet) start(ctx context.Context, s *spec) error {
	c, err := startChild(ctx, roleSender)
	if err != nil {
		return err
	}
	f.senders, f.latest = append(f.senders, c), append(f.latest, news{})
	if err := c.tell(s); err != nil {
		return err
	}
	var n news
	if err := c.hear(&n); err != nil {
		return fmt.Errorf("%s: the sender has ended: %w", s.Name, err)
	}
	i := len(f.senders) - 1
	go func() {
		for {
			n := numbered{sender: i}
			n.err = c.hear(&n.news)
			select {
			case f.news <- n:
			case <-ctx.Done():
				return
			}
			if n.err != nil || n.news.Outcome != nil {
				return
			}
		}
	}()
	return nil
}

func (f *fleet) tell(c command) error {
	for _, s := range f.senders {
		if err := s.tell(c); err != nil {
			return err
		}
	}
	return nil
}

// hear waits for news of any of them.
func (f *fleet) hear(ctx context.Context) error {
	select {
	case n := <-f.news:
		if n.err != nil {
			return fmt.Errorf("a sender has ended: %w", n.err)
		}
		f.latest[n.sender] = n.news
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fleet) delivered() (n int) {
	for i := range f.latest {
		n += f.latest[i].Delivered
	}
	return n
}

func (f *fleet) sent() bool {
	for i := range f.latest {
		if !f.latest[i].Sent {
			return false
		}
	}
	return true
}

// finish stops all and returns what they have measured.
func (f *fleet) finish(ctx context.Context) ([]outcome, error) {
	if err := f.tell(command{Stop: true}); err != nil {
		return nil, err
	}
	outcomes := make([]outcome, len(f.senders))
	for i := range f.senders {
		for f.latest[i].Outcome == nil {
			if err := f.hear(ctx); err != nil {
				return nil, err
			}
		}
		outcomes[i] = *f.latest[i].Outcome
	}
	f.stop()
	return outcomes, nil
}

// stop ends the processes. Their sessions in the database end with them.
func (f *fleet) stop() {
	for _, s := range f.senders {
		s.stop()
	}
	f.senders = nil
}

// span is from when the first began to the last delivery.
func (f *fleet) span(outcomes []outcome) (began, last time.Time) {
	began = outcomes[0].Began
	for i := range outcomes {
		if outcomes[i].Began.Before(began) {
			began = outcomes[i].Began
		}
		if f.latest[i].Last.After(last) {
			last = f.latest[i].Last
		}
	}
	return began, last
}
