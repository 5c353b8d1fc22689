package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/gowebhook/webhook"
)

// backlogged changes the result of Backlog.
func backlogged(change func(b *broken, ctx context.Context, key webhook.EndpointKey, now time.Time, s *webhook.Stats, err *error)) func(*broken) {
	return func(b *broken) {
		b.backlog = func(ctx context.Context, key webhook.EndpointKey, now time.Time) (webhook.Stats, error) {
			s, err := b.Store.Backlog(ctx, key, now)
			change(b, ctx, key, now, &s, &err)
			return s, err
		}
	}
}

// backlogDefects are defects of Backlog.
var backlogDefects = []defect{
	{"it counts all endpoints", "backlog/one", backlogged(func(b *broken, ctx context.Context, _ webhook.EndpointKey, now time.Time, s *webhook.Stats, _ *error) {
		all, _ := b.Store.Stats(ctx, now)
		s.Pending = all.Pending
	})},
	{"the next is the last", "backlog/one", backlogged(func(_ *broken, _ context.Context, _ webhook.EndpointKey, now time.Time, s *webhook.Stats, _ *error) {
		if s.Waiting > 1 {
			s.NextAt = now.Add(time.Hour)
		}
	})},
	{"held ones are due", "backlog/held", backlogged(func(_ *broken, _ context.Context, _ webhook.EndpointKey, _ time.Time, s *webhook.Stats, _ *error) {
		s.Due, s.Held = s.Due+s.Held, 0
	})},
	{"those in flight are due", "backlog/one backlog/finished", backlogged(func(_ *broken, _ context.Context, _ webhook.EndpointKey, _ time.Time, s *webhook.Stats, _ *error) {
		s.Due, s.InFlight = s.Due+s.InFlight, 0
	})},
	{"a deleted endpoint has an empty one", "backlog/missing", backlogged(func(_ *broken, _ context.Context, _ webhook.EndpointKey, _ time.Time, _ *webhook.Stats, err *error) {
		if errors.Is(*err, webhook.ErrNotFound) {
			*err = nil
		}
	})},
}
