package storetest

import (
	"context"
	"time"

	"github.com/gowebhook/webhook"
)

// refill changes an endpoint twice, so that it may have its whole burst again.
func (b *broken) refill(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	burst := e.Burst
	e.Burst++
	changed, err := b.Store.UpdateEndpoint(ctx, e)
	if err != nil {
		return changed, err
	}
	changed.Burst = burst
	return b.Store.UpdateEndpoint(ctx, changed)
}

// refillAfter refills the endpoints of leases of one kind.
func refillAfter(kind func(l *webhook.Leased) bool) func(*broken) {
	return func(b *broken) {
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			c, err := b.Store.Claim(ctx, req)
			for i := range c.Deliveries {
				l := &c.Deliveries[i]
				if !kind(l) {
					continue
				}
				if found, _ := b.Store.Refresh(ctx, []webhook.EndpointKey{l.Endpoint}); len(found) == 1 {
					_, _ = b.refill(ctx, found[0])
				}
			}
			return c, err
		}
	}
}

// rateDefects are defects of Claim in the Rate of endpoints.
var rateDefects = []defect{
	{
		"there are no rates", "rate/burst rate/order rate/pause rate/default rate/bounds rate/room rate/retries rate/probe rate/probe-waits " +
			"rate/published rate/apart rate/changed rate/kept rate/clock rate/many rate/together",
		endpoint(func(e *webhook.Endpoint) { e.Rate = 0 }),
	},
	{"the default burst is a second's", "rate/default", endpoint(func(e *webhook.Endpoint) {
		if e.Rate > 0 && e.Burst == 0 {
			e.Burst = max(int(e.Rate), 1)
		}
	})},
	{"rates are whole numbers", "rate/bounds rate/default rate/many", endpoint(func(e *webhook.Endpoint) { e.Rate = float64(int(e.Rate)) })},
	{"there are no bursts", "rate/burst rate/pause rate/bounds rate/room rate/retries rate/published rate/changed rate/kept rate/clock rate/together", endpoint(func(e *webhook.Endpoint) {
		e.Burst = min(e.Burst, 1)
	})},
	{"a burst bounds without a rate", "rate/none", endpoint(func(e *webhook.Endpoint) {
		if e.Rate == 0 && e.Burst > 0 {
			e.Rate = 0.001
		}
	})},
	{"endpoints of one id share a rate", "rate/apart", func(b *broken) {
		b.create = func(ctx context.Context, e webhook.Endpoint, limit int) error {
			if e.Tenant != "acme" {
				e.Burst = 1
			}
			return b.Store.CreateEndpoint(ctx, e, limit)
		}
	}},
	{"probes do not count", "rate/probe", refillAfter(func(l *webhook.Leased) bool { return l.Probe })},
	{"retries do not count", "rate/retries rate/room", refillAfter(func(*webhook.Leased) bool { return true })},
	{"leases of Publish count", "rate/published", func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			out, err := b.Store.Publish(ctx, req)
			for _, e := range req.Events {
				for _, row := range e.Deliveries {
					if row.Leased {
						_, _ = b.Store.Claim(ctx, webhook.ClaimRequest{Now: req.Now, LeaseUntil: req.LeaseUntil, Max: 1, MaxBytes: 1 << 20, Room: 1})
					}
				}
			}
			return out, err
		}
	}},
	{"a change of the rate does not act", "rate/changed rate/many", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			if found, _ := b.Store.Refresh(ctx, []webhook.EndpointKey{key(e.Tenant, e.ID)}); len(found) == 1 {
				e.Rate, e.Burst = found[0].Rate, found[0].Burst
			}
			return b.Store.UpdateEndpoint(ctx, e)
		}
	}},
	{"every change allows a burst", "rate/kept", func(b *broken) { b.update = b.refill }},
	{"a step back of the clock holds for twice as long", "rate/clock", func(b *broken) {
		var latest time.Time
		claims(func(req *webhook.ClaimRequest) {
			if req.Now.Before(latest) {
				latest = latest.Add(2 * time.Hour)
				req.Max = 0
			} else {
				latest = req.Now
			}
			if req.Now.Before(latest) {
				req.Max = 0
			}
		})(b)
	}},
	{"a probe is taken while the rate allows none", "rate/probe-waits", refreshed(func(e *webhook.Endpoint) {
		if e.Rate > 0 && e.Health.Circuit {
			e.Health.BlockedUntil = e.Health.BlockedUntil.Add(time.Minute)
		}
	})},
	{"deliveries beyond the rate are dropped", "rate/order", func(b *broken) {
		full := false
		b.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			if full {
				req.Room = 0
			}
			c, err := b.Store.Claim(ctx, req)
			full = full || len(c.Deliveries) == 0 // an endpoint is beyond its rate
			return c, err
		}
	}},
}
