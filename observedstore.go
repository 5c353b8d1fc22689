package webhook

import (
	"context"
	"time"
)

// A StoreCall describes a call of the Store to Observer.Store.
type StoreCall struct {
	// Operation is the method: "publish", "match", "claim", "settle", "prune" or "refresh".
	Operation string

	// Items is the number of events of a publish, of kinds of events of a match, of deliveries
	// that a claim leased, of results and given back leases of a settle, and of endpoints of a
	// refresh. It is 0 for a prune.
	Items int

	Duration time.Duration
	Err      error // of the call; errors of single items do not count
}

// An observedStore tells Observer.Store of calls. Without that function there is none, and the
// Dispatcher calls the Store itself.
type observedStore struct {
	Store
	d *Dispatcher
}

var (
	_ Store    = (*observedStore)(nil)
	_ Volatile = (*observedStore)(nil)
)

// An observedPublisher does the same for the Publisher of a transaction.
type observedPublisher struct {
	Publisher
	d *Dispatcher
}

// observedPublisher returns p, observed if there is an Observer.Store.
func (d *Dispatcher) observedPublisher(p Publisher) Publisher {
	if d.config.Observer.Store == nil {
		return p
	}
	return &observedPublisher{p, d}
}

// observeCall tells Observer.Store of a call that has just ended.
func (d *Dispatcher) observeCall(operation string, items int, began time.Time, err error) {
	call := StoreCall{Operation: operation, Items: items, Duration: time.Since(began), Err: err}
	d.observe(func() { d.config.Observer.Store(call) })
}

func (p *observedPublisher) Publish(ctx context.Context, req PublishRequest) ([]Published, error) {
	began, events := time.Now(), len(req.Events)
	published, err := p.Publisher.Publish(ctx, req)
	p.d.observeCall("publish", events, began, err)
	return published, err
}

func (s *observedStore) Publish(ctx context.Context, req PublishRequest) ([]Published, error) {
	return (&observedPublisher{s.Store, s.d}).Publish(ctx, req)
}

func (s *observedStore) Match(ctx context.Context, reqs []MatchRequest) ([][]EndpointStatus, error) {
	began := time.Now()
	matched, err := s.Store.Match(ctx, reqs)
	s.d.observeCall("match", len(reqs), began, err)
	return matched, err
}

func (s *observedStore) Claim(ctx context.Context, req ClaimRequest) (Claimed, error) {
	began := time.Now()
	claimed, err := s.Store.Claim(ctx, req)
	s.d.observeCall("claim", len(claimed.Deliveries), began, err)
	return claimed, err
}

func (s *observedStore) Settle(ctx context.Context, now time.Time, items []Settlement) (Settled, error) {
	began := time.Now()
	settled, err := s.Store.Settle(ctx, now, items)
	s.d.observeCall("settle", len(items), began, err)
	return settled, err
}

func (s *observedStore) Prune(ctx context.Context, now time.Time, r Retention) (more bool, err error) {
	began := time.Now()
	more, err = s.Store.Prune(ctx, now, r)
	s.d.observeCall("prune", 0, began, err)
	return more, err
}

func (s *observedStore) Refresh(ctx context.Context, keys []EndpointKey) ([]Endpoint, error) {
	began := time.Now()
	endpoints, err := s.Store.Refresh(ctx, keys)
	s.d.observeCall("refresh", len(keys), began, err)
	return endpoints, err
}

// Volatile implements [Volatile]. New looks for a Clock and a Listener on the Store itself.
func (s *observedStore) Volatile() bool {
	v, ok := s.Store.(Volatile)
	return ok && v.Volatile()
}
