package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// noticeDefects are defects of Health.Status, of notices and of their events.
var noticeDefects = []defect{
	{"the class of the first failure stays", "health/last", func(b *broken) {
		refreshed(func(e *webhook.Endpoint) {
			if e.Health.LastClass != "" {
				e.Health.LastClass = webhook.ClassTLS
			}
		})(b)
	}},
	{"excused attempts count", "health/excused", settlements(func(s *webhook.Settlement, _ time.Time) { s.Excused = false })},
	{"Holds and Throttles are replaced", "block/numbers", func(b *broken) {
		var last webhook.Settlement
		settlements(func(s *webhook.Settlement, _ time.Time) { last = *s })(b)
		refreshed(func(e *webhook.Endpoint) { e.Health.Holds, e.Health.Throttles = last.Holds, last.Throttles })(b)
	}},
	{"Since moves with each failure", "status/forward", func(b *broken) {
		var last time.Time
		settlements(func(_ *webhook.Settlement, now time.Time) { last = now })(b)
		refreshed(func(e *webhook.Endpoint) { e.Health.Since = last })(b)
	}},
	{"decisions apply to every run", "status/run", func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			items = slices.Clone(items)
			for i := range items {
				s := &items[i]
				if found, err := b.Store.Refresh(ctx, []webhook.EndpointKey{s.Endpoint}); err == nil && len(found) == 1 && s.Attempt != nil {
					if s.FailingSince = found[0].Health.FailingSince; s.FailingSince.IsZero() {
						s.FailingSince = s.Attempt.StartedAt
					}
				}
			}
			return b.Store.Settle(ctx, now, items)
		}
	}},
	{"Status outlives a success", "status/recovered", refreshed(func(e *webhook.Endpoint) {
		if !e.Health.Since.IsZero() {
			e.Health.Status = webhook.HealthFailing
		}
	})},
	{"an enabled endpoint keeps its status", "status/update", refreshed(func(e *webhook.Endpoint) { e.Health.Status = webhook.HealthFailing })},
	{"notices are made by repeated calls too", "notice/once", func(b *broken) {
		var all []webhook.Notice
		settled(func(s *webhook.Settled) {
			all = append(all, s.Notices...)
			s.Notices = all
		})(b)
	}},
	{"lost items make notices", "notice/lost", settled(func(s *webhook.Settled) {
		for range s.Lost {
			s.Notices = append(s.Notices, webhook.Notice{Type: tellFailing})
		}
	})},
	{"an event goes to the endpoint that it is about", "notice/event", announced(func(r *webhook.EventRecord) { r.About = "" })},
	{"an event goes to all endpoints", "notice/event", announced(func(r *webhook.EventRecord) { r.Type = "webhook" })},
	{"an event without receivers stays", "notice/nobody", announced(func(r *webhook.EventRecord) { r.Keep = true })},
	{"each notice is told", "notice/hour", settled(func(s *webhook.Settled) {
		for i := range s.Notices {
			s.Notices[i].Silent = false
		}
	})},
	{"notices that are withheld are not counted", "notice/hour", settled(func(s *webhook.Settled) {
		for i := range s.Notices {
			s.Notices[i].Withheld = 0
		}
	})},
	{"every failed delivery makes a notice", "notice/not-about-these notice/deleted", func(b *broken) {
		b.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			s, err := b.Store.Settle(ctx, now, items)
			for i := range items {
				if items[i].State == webhook.DeliveryFailed && len(s.Notices) == 0 {
					s.Notices = append(s.Notices, webhook.Notice{Type: tellDelivery})
				}
			}
			return s, err
		}
	}},
	{"lists ignore Health", "endpoints/health endpoints/failing-longest", queries(func(q *webhook.Query) { q.Health = "" })},
	{"only one failing endpoint is listed", "endpoints/failing-at-once", func(b *broken) {
		b.endpoints = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Endpoint], error) {
			page, err := b.Store.Endpoints(ctx, q)
			page.Next = ""
			return page, err
		}
	}},
	{"endpoints are not counted", "stats/endpoints", func(b *broken) {
		b.stats = func(ctx context.Context, now time.Time) (webhook.Stats, error) {
			s, err := b.Store.Stats(ctx, now)
			s.Endpoints.Failing = 0
			return s, err
		}
	}},
	{"no disabled endpoint is looked for", "match/dormant match/dormant-longest outbox/dormant", both(func(b *broken) {
		b.match = func(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
			for i := range reqs {
				reqs[i].Dormant = false
			}
			return b.Store.Match(ctx, reqs)
		}
	}, func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			for i := range req.Events {
				if req.Events[i].Type == "other" {
					req.Events[i].Type = "else"
				}
			}
			return b.Store.Publish(ctx, req)
		}
	})},
	{`operational events match "*"`, "match/operational", func(b *broken) {
		b.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			for i := range req.Events {
				req.Events[i].Type = "webhook.endpoint.other"
			}
			return b.Store.Publish(ctx, req)
		}
	}},
}

// announced changes the events of Settlement.Announce.
func announced(change func(*webhook.EventRecord)) func(*broken) {
	return settlements(func(s *webhook.Settlement, _ time.Time) {
		announce := s.Announce
		if announce == nil {
			return
		}
		s.Announce = func(n *webhook.Notice) *webhook.EventRecord {
			r := announce(n)
			change(r)
			return r
		}
	})
}
