package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/gowebhook/webhook"
)

var errHeld = errors.New("another transaction holds the id")

type eventKey struct{ tenant, id string }

// A txMemory is a Store in memory with transactions of the application.
type txMemory struct {
	webhook.Store
	mu   sync.Mutex
	held map[eventKey]*memoryTx
}

func newTxMemory(inner webhook.Store) *txMemory {
	return &txMemory{Store: inner, held: map[eventKey]*memoryTx{}}
}

func (s *txMemory) Begin(context.Context) (Tx, error) {
	return &memoryTx{store: s, done: make(chan struct{})}, nil
}

// holder returns the transaction that holds an event's id; nil for none.
func (s *txMemory) holder(e *webhook.EventRecord) *memoryTx {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[eventKey{e.Tenant, e.ID}]
}

func (s *txMemory) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	results := make([]webhook.Published, len(req.Events))
	rest, index := req, []int(nil)
	rest.Events = nil
	for i := range req.Events {
		if s.holder(&req.Events[i]) != nil {
			results[i] = webhook.Published{Held: true, Err: errHeld}
			continue
		}
		rest.Events, index = append(rest.Events, req.Events[i]), append(index, i)
	}
	if req.Atomic && len(index) < len(req.Events) {
		return results, nil
	}
	stored, err := s.Store.Publish(ctx, rest)
	if err != nil {
		return nil, err
	}
	for n, i := range index {
		results[i] = stored[n]
	}
	return results, nil
}

// A memoryTx keeps its events until it commits.
type memoryTx struct {
	store *txMemory
	req   webhook.PublishRequest
	done  chan struct{}
	once  sync.Once
}

func (tx *memoryTx) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	results := make([]webhook.Published, len(req.Events))
	for i, e := range req.Events {
		same, err := tx.store.Events(ctx, webhook.Query{Tenant: e.Tenant, EventID: e.ID})
		if err != nil {
			return nil, err
		}
		results[i].Duplicate = len(same.Items) > 0
		if !results[i].Duplicate {
			tx.req.Now, tx.req.Events = req.Now, append(tx.req.Events, e)
			tx.store.mu.Lock()
			tx.store.held[eventKey{e.Tenant, e.ID}] = tx
			tx.store.mu.Unlock()
		}
	}
	return results, nil
}

func (tx *memoryTx) Commit() error   { return tx.end(true) }
func (tx *memoryTx) Rollback() error { return tx.end(false) }

func (tx *memoryTx) end(commit bool) (err error) {
	tx.once.Do(func() {
		tx.store.mu.Lock()
		for key, holder := range tx.store.held {
			if holder == tx {
				delete(tx.store.held, key)
			}
		}
		tx.store.mu.Unlock()
		if commit && len(tx.req.Events) > 0 {
			_, err = tx.store.Store.Publish(context.Background(), tx.req)
		}
		close(tx.done)
	})
	return err
}

// txDefects are defects of a Store with transactions.
var txDefects = []defect{
	{"waits for transactions that hold ids", "tx/held tx/held-stored tx/atomic", transactions(func(s *txMemory, b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			for i := range req.Events {
				if holder := s.holder(&req.Events[i]); holder != nil {
					select {
					case <-holder.done:
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}
			}
			return s.Publish(ctx, req)
		}
	})},
	{"an id that is held fails the request", "tx/held tx/held-stored tx/atomic", results(func(list []webhook.Published) {
		for i := range list {
			if list[i].Held {
				list[i] = webhook.Published{Err: errHeld}
			}
		}
	})},
	{"an id that is held delays the others of the request", "tx/held", transactions(func(s *txMemory, b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			if slices.ContainsFunc(req.Events, func(e webhook.EventRecord) bool { return s.holder(&e) != nil }) {
				return slices.Repeat([]webhook.Published{{Held: true, Err: errHeld}}, len(req.Events)), nil
			}
			return s.Publish(ctx, req)
		}
	})},
	{"an id that is held is a duplicate", "tx/held tx/held-stored tx/atomic", results(func(list []webhook.Published) {
		for i := range list {
			if list[i].Held {
				list[i] = webhook.Published{Duplicate: true}
			}
		}
	})},
	{"Atomic stores the events that are not held", "tx/atomic", requests(func(req *webhook.PublishRequest) { req.Atomic = false })},
	{"Atomic goes on holding the ids of a request that failed", "tx/atomic", transactions(func(s *txMemory, b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			results, err := s.Publish(ctx, req)
			if req.Atomic && err == nil && slices.ContainsFunc(results, func(p webhook.Published) bool { return p.Held }) {
				for _, e := range req.Events {
					s.mu.Lock()
					s.held[eventKey{e.Tenant, e.ID}] = &memoryTx{store: s, done: make(chan struct{})}
					s.mu.Unlock()
				}
			}
			return results, err
		}
	})},
	{"Atomic fails if a new id has to wait", "tx/atomic-new", transactions(func(s *txMemory, b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			given := func(e webhook.EventRecord) bool { return !e.NewID }
			if req.Atomic && !slices.ContainsFunc(req.Events, given) {
				return nil, errHeld
			}
			return s.Publish(ctx, req)
		}
	})},
	{"a duplicate in a transaction holds the tenants' other ids", "tx/again", transactions(func(s *txMemory, b *broken) {
		b.begin = func(context.Context) (Tx, error) {
			return &gapTx{Tx: &memoryTx{store: s, done: make(chan struct{})}, of: b, store: s}, nil
		}
	})},
	{"a transaction stores its events at once", "tx/commit tx/rollback", transactions(func(s *txMemory, b *broken) {
		b.begin = func(context.Context) (Tx, error) {
			return hastyTx{&memoryTx{store: s, done: make(chan struct{})}, s}, nil
		}
	})},
	{"a transaction loses its events", "tx/commit tx/held-stored", transactions(func(s *txMemory, b *broken) {
		b.begin = func(context.Context) (Tx, error) { return lossyTx{&memoryTx{store: s, done: make(chan struct{})}}, nil }
	})},
}

// transactions installs a defect on the store below, which has transactions.
func transactions(install func(s *txMemory, b *broken)) func(*broken) {
	return func(b *broken) {
		s, _ := b.Store.(*txMemory)
		install(s, b)
	}
}

// A gapTx that meets a duplicate holds all ids that are new.
type gapTx struct {
	Tx
	of    *broken
	store *txMemory
}

func (tx *gapTx) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	got, err := tx.Tx.Publish(ctx, req)
	if slices.ContainsFunc(got, func(p webhook.Published) bool { return p.Duplicate }) {
		tx.of.publish = func(_ context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			return slices.Repeat([]webhook.Published{{Held: true, Err: errHeld}}, len(req.Events)), nil
		}
	}
	return got, err
}

// A hastyTx is no transaction.
type hastyTx struct {
	Tx
	store *txMemory
}

func (tx hastyTx) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	return tx.store.Store.Publish(ctx, req)
}

// A lossyTx does not commit.
type lossyTx struct{ Tx }

func (tx lossyTx) Commit() error { return tx.Rollback() }
