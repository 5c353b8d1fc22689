package sqlstore

import (
	"context"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// A halver settles the items of a refused transaction again. It halves them until each refused
// item is alone.
type halver struct {
	store *Store
	ctx   context.Context
	now   time.Time
	items []webhook.Settlement
	out   webhook.Settled
	end   error // the reason why nothing more can be settled
}

// settle settles the items with indexes from from to before to.
func (h *halver) settle(from, to int) {
	if h.end != nil {
		return
	}
	some, err := h.store.settle(h.ctx, h.now, h.items[from:to], false)
	switch {
	case err == nil:
		mergeReply(&h.out, &some, func(i int) int { return from + i })
	case h.ctx.Err() != nil, engine.Hopeless(err):
		h.end = err
	case to-from == 1:
		fail(&h.out, from, err)
	default:
		half := (from + to) / 2
		h.settle(from, half)
		h.settle(half, to)
	}
}
