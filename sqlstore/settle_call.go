package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// heldWaits are the pauses before items are settled again because another transaction
// held their row. Processes that settle failures of one endpoint at the same time hold
// its status for a few milliseconds each.
var heldWaits = [...]time.Duration{3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond}

// A heldError names the row that another transaction holds.
type heldError string

func (e heldError) Error() string {
	return "another transaction holds " + string(e) + "; end that transaction"
}

// A settleCall is one call of Settle, which may take several transactions.
type settleCall struct {
	store *Store
	ctx   context.Context
	now   time.Time
	items []webhook.Settlement
	out   webhook.Settled
}

func (c *settleCall) run() (webhook.Settled, error) {
	if err := c.settleWhole(); err != nil {
		return webhook.Settled{}, err
	}
	c.settleHeld()
	return c.out, nil
}

// settleWhole settles the items in one transaction. If the database refuses the
// transaction, it settles them by halves. The transaction first tries the quick way for
// plain successes, whose statement may wait briefly for a held row. The halves do without
// it.
func (c *settleCall) settleWhole() error {
	all := indexes(len(c.items))
	if c.store.dialect.settlesAtOnce {
		err := c.settle(all, settler{plainFirst: true})
		if err == nil || c.ctx.Err() != nil || engine.Hopeless(err) {
			return err
		}
	}
	parts := splitter{ctx: c.ctx, size: halves}
	parts.try = func(items []int) error { return c.settle(items, settler{}) }
	parts.alone = func(i int, problem error) error {
		fail(&c.out, i, problem)
		return nil
	}
	return parts.run(all)
}

// settleHeld settles the items with held rows again. Each try takes the items that still
// fail.
func (c *settleCall) settleHeld() {
	for _, wait := range heldWaits {
		held := heldItems(c.out.Failed)
		if len(held) == 0 {
			return
		}
		engine.Pause(c.ctx, wait)
		if err := c.settle(held, settler{}); err != nil {
			for _, i := range held {
				fail(&c.out, i, err)
			}
			return
		}
	}
}

// settle settles some items in one transaction, and adds the reply to out.
func (c *settleCall) settle(items []int, s settler) error {
	s.now, s.items = c.now, selected(c.items, items)
	var reply webhook.Settled
	err := c.store.write(c.ctx, txOptions{KeepPlans: true, Brief: true}, func(t *tx) error {
		run := s
		run.tx = t
		err := run.run()
		reply = run.out
		return err
	})
	if err != nil {
		return err
	}
	for i := range s.items {
		if final(s.items[i].State) {
			c.store.sweepFrom(s.items[i].UID)
		}
		if s.items[i].Disable != "" {
			c.store.stopped.Store(true)
		}
	}
	c.merge(items, &reply)
	return nil
}

// merge adds the reply for some items to out. It takes the place of an earlier reply.
func (c *settleCall) merge(items []int, reply *webhook.Settled) {
	for _, i := range items {
		delete(c.out.Failed, i)
	}
	for _, n := range reply.Already {
		c.out.Already = append(c.out.Already, items[n])
	}
	for _, n := range reply.Lost {
		c.out.Lost = append(c.out.Lost, items[n])
	}
	for n, err := range reply.Failed {
		fail(&c.out, items[n], err)
	}
	c.out.Notices = append(c.out.Notices, reply.Notices...)
	for _, status := range reply.Endpoints { // the later one counts
		same := func(s webhook.EndpointStatus) bool { return s.Key == status.Key }
		if at := slices.IndexFunc(c.out.Endpoints, same); at >= 0 {
			c.out.Endpoints[at] = status
		} else {
			c.out.Endpoints = append(c.out.Endpoints, status)
		}
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

// fail records that an item was not stored.
func fail(out *webhook.Settled, i int, err error) {
	if out.Failed == nil {
		out.Failed = make(map[int]error)
	}
	out.Failed[i] = err
}
