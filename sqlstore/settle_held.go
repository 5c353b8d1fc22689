package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// heldWaits are the pauses before items are settled again because another transaction held
// their row. Processes that settle failures of one endpoint at the same time hold its status
// for a few milliseconds each.
var heldWaits = [...]time.Duration{3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond}

// A heldError names the row that another transaction holds.
type heldError string

func (e heldError) Error() string {
	return "another transaction holds " + string(e) + "; end that transaction"
}

// settleHeld settles the items with held rows again. Each try takes the items that still fail.
func (s *Store) settleHeld(ctx context.Context, now time.Time, items []webhook.Settlement, out *webhook.Settled) {
	for _, wait := range heldWaits {
		held := heldItems(out.Failed)
		if len(held) == 0 {
			return
		}
		engine.Pause(ctx, wait)
		some := make([]webhook.Settlement, len(held))
		for n, i := range held {
			some[n] = items[i]
		}
		settled, err := s.settle(ctx, now, some, false)
		if err != nil {
			for _, i := range held {
				fail(out, i, err)
			}
			return
		}
		for _, i := range held {
			delete(out.Failed, i)
		}
		mergeReply(out, &settled, func(n int) int { return held[n] })
	}
}

// heldItems returns the items that failed because of a held row, in their order.
func heldItems(failed map[int]error) []int {
	var held []int
	for i, err := range failed {
		if _, is := errors.AsType[heldError](err); is {
			held = append(held, i)
		}
	}
	slices.Sort(held)
	return held
}
