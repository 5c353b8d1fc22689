package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// brokenReplays replace the methods for replays.
type brokenReplays struct {
	count  func(context.Context, webhook.Replay) (int, bool, error)
	create func(context.Context, webhook.Replay) (webhook.Replay, error)
	step   func(context.Context, time.Time) (webhook.Replay, time.Time, error)
	cancel func(context.Context, webhook.Query, time.Time) (webhook.Replay, error)
	list   func(context.Context, webhook.Query) (webhook.Page[webhook.Replay], error)
}

func (b *broken) CountReplay(ctx context.Context, r webhook.Replay) (int, bool, error) {
	if b.replay.count != nil {
		return b.replay.count(ctx, r)
	}
	return b.Store.CountReplay(ctx, r)
}

func (b *broken) CreateReplay(ctx context.Context, r webhook.Replay) (webhook.Replay, error) {
	if b.replay.create != nil {
		return b.replay.create(ctx, r)
	}
	return b.Store.CreateReplay(ctx, r)
}

func (b *broken) StepReplay(ctx context.Context, now time.Time) (webhook.Replay, time.Time, error) {
	if b.replay.step != nil {
		return b.replay.step(ctx, now)
	}
	return b.Store.StepReplay(ctx, now)
}

func (b *broken) CancelReplay(ctx context.Context, q webhook.Query, now time.Time) (webhook.Replay, error) {
	if b.replay.cancel != nil {
		return b.replay.cancel(ctx, q, now)
	}
	return b.Store.CancelReplay(ctx, q, now)
}

func (b *broken) Replays(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Replay], error) {
	if b.replay.list != nil {
		return b.replay.list(ctx, q)
	}
	return b.Store.Replays(ctx, q)
}

// selects changes the selection of each replay.
func selects(change func(r *webhook.Replay)) func(*broken) {
	return func(b *broken) {
		b.replay.count = func(ctx context.Context, r webhook.Replay) (int, bool, error) {
			change(&r)
			return b.Store.CountReplay(ctx, r)
		}
		b.replay.create = func(ctx context.Context, r webhook.Replay) (webhook.Replay, error) {
			change(&r)
			return b.Store.CreateReplay(ctx, r)
		}
	}
}

// stepped changes the result of each step.
func stepped(change func(r *webhook.Replay, next *time.Time)) func(*broken) {
	return func(b *broken) {
		b.replay.step = func(ctx context.Context, now time.Time) (webhook.Replay, time.Time, error) {
			r, next, err := b.Store.StepReplay(ctx, now)
			change(&r, &next)
			return r, next, err
		}
	}
}

// created changes each replay that is stored.
func created(change func(r *webhook.Replay)) func(*broken) {
	return func(b *broken) {
		b.replay.create = func(ctx context.Context, r webhook.Replay) (webhook.Replay, error) {
			change(&r)
			return b.Store.CreateReplay(ctx, r)
		}
	}
}

// replaysListed changes each page of replays.
func replaysListed(change func(list []webhook.Replay)) func(*broken) {
	return func(b *broken) {
		b.replay.list = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Replay], error) {
			page, err := b.Store.Replays(ctx, q)
			change(page.Items)
			return page, err
		}
	}
}

// replayDefects are defects of replays.
var replayDefects = []defect{
	{"a count cancels what is pending", "replay/count replay/pending", func(b *broken) {
		b.replay.count = func(ctx context.Context, r webhook.Replay) (int, bool, error) {
			_, err := b.Store.Cancel(ctx, webhook.Query{Tenant: "acme"}, base)
			n, exact, countErr := b.Store.CountReplay(ctx, r)
			if err == nil {
				err = countErr
			}
			return n, exact, err
		}
	}},
	{"a count is always exact", "replay/count-ends", func(b *broken) {
		b.replay.count = func(ctx context.Context, r webhook.Replay) (int, bool, error) {
			n, _, err := b.Store.CountReplay(ctx, r)
			return n, true, err
		}
	}},
	{"States are ignored", "replay/states", selects(func(r *webhook.Replay) {
		r.Request.States = []webhook.DeliveryState{webhook.DeliveryFailed, webhook.DeliveryCanceled}
	})},
	{"From is ignored", "replay/filters replay/missed-filters", selects(func(r *webhook.Replay) { r.Request.From = time.Time{} })},
	{"To is ignored", "replay/filters replay/missed-filters", selects(func(r *webhook.Replay) { r.Request.To = time.Time{} })},
	{"Types are ignored", "replay/filters replay/missed-filters", selects(func(r *webhook.Replay) { r.Request.Types = nil })},
	{"Event is ignored", "replay/filters replay/missed-filters", selects(func(r *webhook.Replay) { r.Request.Event = "" })},
	{"FinishedFrom is ignored", "replay/finished", selects(func(r *webhook.Replay) { r.Request.FinishedFrom = time.Time{} })},
	{"FinishedTo is ignored", "replay/finished", selects(func(r *webhook.Replay) { r.Request.FinishedTo = time.Time{} })},
	{"the selection is made later", "replay/as-of replay/finished replay/pending", selects(func(r *webhook.Replay) { r.CreatedAt = r.CreatedAt.Add(time.Minute) })},
	{"Missed is ignored", "replay/missed replay/creates replay/no-twins replay/beside replay/as-of", selects(func(r *webhook.Replay) {
		r.Request.Missed, r.Request.States = false, []webhook.DeliveryState{webhook.DeliveryFailed}
	})},
	{"all tenants are one", "replay/all-tenants", selects(func(r *webhook.Replay) { r.Tenant, r.AllTenants = "acme", false })},
	{"Cancels is ignored", "replay/cancels replay/count", selects(func(r *webhook.Replay) {
		r.Cancels, r.Request.States = false, []webhook.DeliveryState{webhook.DeliveryPending}
	})},
	{"test events are like others", "replay/missed-tests", events(func(e *webhook.EventRecord) { e.Test = false })},
	{"the outbox is left at once", "replay/missed-outbox", events(func(e *webhook.EventRecord) {
		if e.Deliveries == nil {
			e.Deliveries = []webhook.NewDelivery{}
		}
	})},
	{"disabled endpoints are active", "replay/stopped replay/ends", func(b *broken) {
		b.update = func(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
			e.State, e.Reason = webhook.EndpointActive, ""
			return b.Store.UpdateEndpoint(ctx, e)
		}
	}},
	{"a replay without its endpoint has finished", "replay/ends", stepped(func(r *webhook.Replay, _ *time.Time) {
		r.Reason = ""
	})},
	{"deliveries have waited for an hour", "replay/as-retry replay/creates", leased(func(l *webhook.Leased) { l.Since = l.Since.Add(-time.Hour) })},
	{"attempts are those of one delivery", "replay/beside", func(b *broken) {
		b.attempts = func(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
			page, err := b.Store.Attempts(ctx, q)
			page.Items = slices.DeleteFunc(page.Items, func(a webhook.Attempt) bool { return a.EndpointID != page.Items[0].EndpointID })
			return page, err
		}
	}},
	{"a step begins at the first again", "replay/each-once", func(b *broken) {
		b.replay.step = func(ctx context.Context, now time.Time) (webhook.Replay, time.Time, error) {
			r, next, err := b.Store.StepReplay(ctx, now)
			if err == nil {
				_, err = b.Store.Retry(ctx, webhook.Query{AllTenants: true, State: webhook.DeliveryFailed}, now)
			}
			return r, next, err
		}
	}},
	{"steps follow each other a second later", "replay/pace replay/slow replay/stored", func(b *broken) {
		b.replay.step = func(ctx context.Context, now time.Time) (webhook.Replay, time.Time, error) {
			return b.Store.StepReplay(ctx, now.Add(time.Second))
		}
	}},
	{"a call does two steps", "replay/turns replay/pace replay/canceled", func(b *broken) {
		b.replay.step = func(ctx context.Context, now time.Time) (webhook.Replay, time.Time, error) {
			if r, next, err := b.Store.StepReplay(ctx, now); err != nil {
				return r, next, err
			}
			return b.Store.StepReplay(ctx, now.Add(time.Second))
		}
	}},
	{"there is always a next step", "replay/none replay/canceled", stepped(func(_ *webhook.Replay, next *time.Time) {
		if next.IsZero() {
			*next = base
		}
	})},
	{"each step counts one too many", "replay/no-twins replay/at-the-same-time", replaysListed(func(list []webhook.Replay) {
		for i := range list {
			list[i].Changed++
		}
	})},
	{"rates are whole numbers", "replay/stored", created(func(r *webhook.Replay) { r.Request.Rate = 1 })},
	{"keys are not compared", "replay/same-key", created(func(r *webhook.Replay) { r.Key = r.ID })},
	{"a tenant may have any number", "replay/limits", func(b *broken) {
		tenants := 0
		created(func(r *webhook.Replay) {
			tenants++
			r.Tenant, r.AllTenants = fmt.Sprint(tenants), false
		})(b)
	}},
	{"there may be any number", "replay/limits", func(b *broken) {
		b.replay.create = func(ctx context.Context, r webhook.Replay) (webhook.Replay, error) {
			created, err := b.Store.CreateReplay(ctx, r)
			if errors.Is(err, webhook.ErrLimit) && r.Tenant == "other" {
				return r, nil
			}
			return created, err
		}
	}},
	{"CancelReplay only says so", "replay/canceled replay/cancel-errors", func(b *broken) {
		b.replay.cancel = func(ctx context.Context, q webhook.Query, now time.Time) (webhook.Replay, error) {
			page, err := b.Store.Replays(ctx, q)
			for _, r := range page.Items {
				r.Reason, r.FinishedAt = webhook.ReasonCanceled, now
				return r, err
			}
			return webhook.Replay{}, err
		}
	}},
	{"the oldest replay comes first", "replay/list", replaysListed(slices.Reverse[[]webhook.Replay])},
	{"replays stay for ever", "replay/removed", func(b *broken) {
		b.prune = func(ctx context.Context, now time.Time, r webhook.Retention) (bool, error) {
			r.Events = -1
			return b.Store.Prune(ctx, now, r)
		}
	}},
	{"Erase does nothing", "replay/erased", func(b *broken) {
		b.erase = func(context.Context, string) error { return nil }
	}},
}
