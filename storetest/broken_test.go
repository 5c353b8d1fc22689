package storetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gowebhook/webhook"
)

// A defect is one way to break the contract.
type defect struct {
	name    string
	noticed string // the cases that fail
	install func(b *broken)
}

func allDefects() []defect {
	return slices.Concat(
		publishDefects, rowDefects, matchDefects, endpointDefects, claimDefects, rateDefects, roundDefects, outboxDefects,
		settleDefects, attemptDefects, healthDefects, noticeDefects, recoverDefects, replayDefects, listDefects, lastDefects, failedDefects, statsDefects, backlogDefects, pruneDefects, tenantDefects, txDefects,
	)
}

// broken is a Store with a defect: a func that is set replaces the method of the Store below.
type broken struct {
	webhook.Store
	publish    func(context.Context, webhook.PublishRequest) ([]webhook.Published, error)
	match      func(context.Context, []webhook.MatchRequest) ([][]webhook.EndpointStatus, error)
	create     func(context.Context, webhook.Endpoint, int) error
	update     func(context.Context, webhook.Endpoint) (webhook.Endpoint, error)
	remove     func(context.Context, webhook.EndpointKey, int64, time.Time) error
	endpoints  func(context.Context, webhook.Query) (webhook.Page[webhook.Endpoint], error)
	refresh    func(context.Context, []webhook.EndpointKey) ([]webhook.Endpoint, error)
	claim      func(context.Context, webhook.ClaimRequest) (webhook.Claimed, error)
	settle     func(context.Context, time.Time, []webhook.Settlement) (webhook.Settled, error)
	retry      func(context.Context, webhook.Query, time.Time) (webhook.BulkResult, error)
	cancel     func(context.Context, webhook.Query, time.Time) (webhook.BulkResult, error)
	events     func(context.Context, webhook.Query) (webhook.Page[webhook.EventRecord], error)
	deliveries func(context.Context, webhook.Query, time.Time) (webhook.Page[webhook.Delivery], error)
	attempts   func(context.Context, webhook.Query) (webhook.Page[webhook.Attempt], error)
	stats      func(context.Context, time.Time) (webhook.Stats, error)
	backlog    func(context.Context, webhook.EndpointKey, time.Time) (webhook.Stats, error)
	prune      func(context.Context, time.Time, webhook.Retention) (bool, error)
	erase      func(context.Context, string) error
	begin      func(context.Context) (Tx, error)
	replay     brokenReplays

	mu sync.Mutex // for the memory of a defect
}

func (b *broken) Publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	if b.publish != nil {
		return b.publish(ctx, req)
	}
	return b.Store.Publish(ctx, req)
}

// Begin implements [TxStore] on a Store that has transactions.
func (b *broken) Begin(ctx context.Context) (Tx, error) {
	if b.begin != nil {
		return b.begin(ctx)
	}
	s, _ := b.Store.(TxStore)
	return s.Begin(ctx)
}

func (b *broken) Match(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
	if b.match != nil {
		return b.match(ctx, reqs)
	}
	return b.Store.Match(ctx, reqs)
}

func (b *broken) CreateEndpoint(ctx context.Context, e webhook.Endpoint, limit int) error {
	if b.create != nil {
		return b.create(ctx, e, limit)
	}
	return b.Store.CreateEndpoint(ctx, e, limit)
}

func (b *broken) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	if b.update != nil {
		return b.update(ctx, e)
	}
	return b.Store.UpdateEndpoint(ctx, e)
}

func (b *broken) DeleteEndpoint(ctx context.Context, key webhook.EndpointKey, version int64, now time.Time) error {
	if b.remove != nil {
		return b.remove(ctx, key, version, now)
	}
	return b.Store.DeleteEndpoint(ctx, key, version, now)
}

func (b *broken) Endpoints(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
	if b.endpoints != nil {
		return b.endpoints(ctx, q)
	}
	return b.Store.Endpoints(ctx, q)
}

func (b *broken) Refresh(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
	if b.refresh != nil {
		return b.refresh(ctx, keys)
	}
	return b.Store.Refresh(ctx, keys)
}

func (b *broken) Claim(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
	if b.claim != nil {
		return b.claim(ctx, req)
	}
	return b.Store.Claim(ctx, req)
}

func (b *broken) Settle(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
	if b.settle != nil {
		return b.settle(ctx, now, items)
	}
	return b.Store.Settle(ctx, now, items)
}

func (b *broken) Retry(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
	if b.retry != nil {
		return b.retry(ctx, q, now)
	}
	return b.Store.Retry(ctx, q, now)
}

func (b *broken) Cancel(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
	if b.cancel != nil {
		return b.cancel(ctx, q, now)
	}
	return b.Store.Cancel(ctx, q, now)
}

func (b *broken) Events(ctx context.Context, q webhook.Query) (webhook.Page[webhook.EventRecord], error) {
	if b.events != nil {
		return b.events(ctx, q)
	}
	return b.Store.Events(ctx, q)
}

func (b *broken) Deliveries(ctx context.Context, q webhook.Query, now time.Time) (webhook.Page[webhook.Delivery], error) {
	if b.deliveries != nil {
		return b.deliveries(ctx, q, now)
	}
	return b.Store.Deliveries(ctx, q, now)
}

func (b *broken) Attempts(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
	if b.attempts != nil {
		return b.attempts(ctx, q)
	}
	return b.Store.Attempts(ctx, q)
}

func (b *broken) Stats(ctx context.Context, now time.Time) (webhook.Stats, error) {
	if b.stats != nil {
		return b.stats(ctx, now)
	}
	return b.Store.Stats(ctx, now)
}

func (b *broken) Backlog(ctx context.Context, key webhook.EndpointKey, now time.Time) (webhook.Stats, error) {
	if b.backlog != nil {
		return b.backlog(ctx, key, now)
	}
	return b.Store.Backlog(ctx, key, now)
}

func (b *broken) Prune(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
	if b.prune != nil {
		return b.prune(ctx, now, r)
	}
	return b.Store.Prune(ctx, now, r)
}

func (b *broken) Erase(ctx context.Context, tenant string) error {
	if b.erase != nil {
		return b.erase(ctx, tenant)
	}
	return b.Store.Erase(ctx, tenant)
}

// The helpers below wrap a method. They change its arguments or its results.

// events changes each event that is published.
func events(change func(e *webhook.EventRecord)) func(*broken) {
	return requests(func(req *webhook.PublishRequest) {
		req.Events = slices.Clone(req.Events)
		for i := range req.Events {
			change(&req.Events[i])
		}
	})
}

// rows changes each delivery row that is published.
func rows(change func(r *webhook.NewDelivery, req *webhook.PublishRequest)) func(*broken) {
	return requests(func(req *webhook.PublishRequest) {
		req.Events = slices.Clone(req.Events)
		for i, e := range req.Events {
			req.Events[i].Deliveries = slices.Clone(e.Deliveries)
			for j := range e.Deliveries {
				change(&req.Events[i].Deliveries[j], req)
			}
		}
	})
}

func requests(change func(req *webhook.PublishRequest)) func(*broken) {
	return func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			change(&req)
			return b.Store.Publish(ctx, req)
		}
	}
}

// results changes the result of Publish.
func results(change func(list []webhook.Published)) func(*broken) {
	return func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			list, err := b.Store.Publish(ctx, req)
			change(list)
			return list, err
		}
	}
}

// endpoint changes each endpoint that is created or updated.
func endpoint(change func(e *webhook.Endpoint)) func(*broken) {
	return func(b *broken) {
		b.create = func(ctx context.Context, e webhook.Endpoint, limit int) error {
			change(&e)
			return b.Store.CreateEndpoint(ctx, e, limit)
		}
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			change(&e)
			return b.Store.UpdateEndpoint(ctx, e)
		}
	}
}

// refreshed changes each endpoint that Refresh returns.
func refreshed(change func(e *webhook.Endpoint)) func(*broken) {
	return func(b *broken) {
		b.refresh = func(ctx context.Context, keys []webhook.EndpointKey) ([]webhook.Endpoint, error) {
			list, err := b.Store.Refresh(ctx, keys)
			for i := range list {
				change(&list[i])
			}
			return list, err
		}
	}
}

// claims changes the request of Claim.
func claims(change func(req *webhook.ClaimRequest)) func(*broken) {
	return func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			change(&req)
			return b.Store.Claim(ctx, req)
		}
	}
}

// claimed changes the result of Claim.
func claimed(change func(c *webhook.Claimed)) func(*broken) {
	return func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			change(&c)
			return c, err
		}
	}
}

// leased changes each delivery that Claim returns.
func leased(change func(l *webhook.Leased)) func(*broken) {
	return claimed(func(c *webhook.Claimed) {
		for i := range c.Deliveries {
			change(&c.Deliveries[i])
		}
	})
}

// settlements changes each item that is settled.
func settlements(change func(s *webhook.Settlement, now time.Time)) func(*broken) {
	return func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			items = slices.Clone(items)
			for i := range items {
				change(&items[i], now)
			}
			return b.Store.Settle(ctx, now, items)
		}
	}
}

// attempted changes each attempt that is settled.
func attempted(change func(a *webhook.Attempt, now time.Time)) func(*broken) {
	return settlements(func(s *webhook.Settlement, now time.Time) {
		if s.Attempt != nil {
			a := *s.Attempt
			change(&a, now)
			s.Attempt = &a
		}
	})
}

// settled changes the result of Settle.
func settled(change func(s *webhook.Settled)) func(*broken) {
	return func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			s, err := b.Store.Settle(ctx, now, items)
			change(&s)
			return s, err
		}
	}
}

// queries changes the Query of every method that takes one.
func queries(change func(q *webhook.Query)) func(*broken) {
	return both(recoveries(func(q *webhook.Query, _ *time.Time) { change(q) }), func(b *broken) {
		b.endpoints = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
			change(&q)
			return b.Store.Endpoints(ctx, q)
		}
		b.events = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.EventRecord], error) {
			change(&q)
			return b.Store.Events(ctx, q)
		}
		b.deliveries = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.Page[webhook.Delivery], error) {
			change(&q)
			return b.Store.Deliveries(ctx, q, now)
		}
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			change(&q)
			return b.Store.Attempts(ctx, q)
		}
	})
}

// recoveries changes the Query of Retry and Cancel.
func recoveries(change func(q *webhook.Query, now *time.Time)) func(*broken) {
	return func(b *broken) {
		b.retry = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			change(&q, &now)
			return b.Store.Retry(ctx, q, now)
		}
		b.cancel = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			change(&q, &now)
			return b.Store.Cancel(ctx, q, now)
		}
	}
}

// recovered changes the result of Retry and Cancel.
func recovered(change func(r *webhook.BulkResult, err *error)) func(*broken) {
	return func(b *broken) {
		b.retry = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			r, err := b.Store.Retry(ctx, q, now)
			change(&r, &err)
			return r, err
		}
		b.cancel = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.BulkResult, error) {
			r, err := b.Store.Cancel(ctx, q, now)
			change(&r, &err)
			return r, err
		}
	}
}

// listed changes the pages of all lists: page is called with the address of the Items, which it may change, and of Next.
func listed(page func(items pageItems, next *string, q webhook.Query)) func(*broken) {
	return func(b *broken) {
		b.endpoints = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
			p, err := b.Store.Endpoints(ctx, q)
			page(itemsOf[webhook.Endpoint]{&p.Items}, &p.Next, q)
			return p, err
		}
		b.events = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.EventRecord], error) {
			p, err := b.Store.Events(ctx, q)
			page(itemsOf[webhook.EventRecord]{&p.Items}, &p.Next, q)
			return p, err
		}
		b.deliveries = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.Page[webhook.Delivery], error) {
			p, err := b.Store.Deliveries(ctx, q, now)
			page(itemsOf[webhook.Delivery]{&p.Items}, &p.Next, q)
			return p, err
		}
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			p, err := b.Store.Attempts(ctx, q)
			page(itemsOf[webhook.Attempt]{&p.Items}, &p.Next, q)
			return p, err
		}
	}
}

// pageItems are the items of a page of any list.
type pageItems interface {
	len() int
	reverse()
	dropFirst()
}

type itemsOf[T any] struct{ items *[]T }

func (p itemsOf[T]) len() int { return len(*p.items) }

func (p itemsOf[T]) reverse() { slices.Reverse(*p.items) }

func (p itemsOf[T]) dropFirst() { *p.items = (*p.items)[min(1, len(*p.items)):] }

// delivered changes each delivery that Deliveries returns.
func delivered(change func(d *webhook.Delivery)) func(*broken) {
	return func(b *broken) {
		b.deliveries = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.Page[webhook.Delivery], error) {
			p, err := b.Store.Deliveries(ctx, q, now)
			for i := range p.Items {
				change(&p.Items[i])
			}
			return p, err
		}
	}
}

// logged changes the attempts that Attempts returns.
func loggedAs(change func(list []webhook.Attempt)) func(*broken) {
	return func(b *broken) {
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			p, err := b.Store.Attempts(ctx, q)
			change(p.Items)
			return p, err
		}
	}
}

// both installs several parts of one defect.
func both(parts ...func(*broken)) func(*broken) {
	return func(b *broken) {
		for _, install := range parts {
			install(b)
		}
	}
}

// A leaseKey identifies a delivery.
type leaseKey struct {
	uid      uid
	endpoint webhook.EndpointKey
}

func leaseOf(l webhook.Leased) leaseKey { return leaseKey{l.UID, l.Endpoint} }

func itemOf(s webhook.Settlement) leaseKey { return leaseKey{s.UID, s.Endpoint} }
