package webhook

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// heldPatience is how long a call waits for a transaction that holds an event's id.
	// newPatience is the same for an id that the library made.
	heldPatience = 2 * time.Second
	newPatience  = 5 * time.Second

	// firstHeldPause and lastHeldPause are the shortest and the longest time between two tries
	// to store such an event.
	firstHeldPause = 10 * time.Millisecond
	lastHeldPause  = 200 * time.Millisecond

	// heldItems is how many such events one transaction tries to store. It is small, because
	// the Store may have to look at each event alone.
	heldItems = 16

	// heldMemory is how long an id that was held is tried apart from other ids. heldMost is
	// how many such ids are remembered.
	heldMemory = 10 * time.Second
	heldMost   = 1000
)

// publishGrouped stores an event together with the events of concurrent calls. An event that a
// transaction elsewhere may delay is in no group with others.
func (d *Dispatcher) publishGrouped(ctx context.Context, r *EventRecord) (emitted, error) {
	if r.NewID {
		done, err := d.newIDs.Do(ctx, r)
		if err != nil || !done.held {
			return done, err
		}
		return d.publishHeld(ctx, r, newPatience) // the place of its id in an index is locked
	}
	key := eventKey{r.Tenant, r.ID}
	if !d.held.has(key) {
		done, err := d.givenIDs.Do(ctx, r)
		if err != nil || !done.held {
			return done, err
		}
		d.held.add(key)
	}
	done, err := d.publishHeld(ctx, r, heldPatience)
	switch {
	case err != nil:
	case done.held:
		d.held.add(key)
	default:
		d.held.remove(key)
	}
	return done, err
}

// publishHeld tries to store an event until no transaction holds its id.
func (d *Dispatcher) publishHeld(ctx context.Context, r *EventRecord, patience time.Duration) (done emitted, err error) {
	err = whileHeld(ctx, patience, func() (held bool, err error) {
		done, err = d.heldEvents.Do(ctx, r)
		return done.held, err
	})
	if err != nil {
		return emitted{}, err
	}
	return done, nil
}

// whileHeld calls publish again while a transaction elsewhere holds an id, until patience or
// ctx ends. Between two calls nothing is locked and no connection is in use, so that no other
// call waits.
func whileHeld(ctx context.Context, patience time.Duration, publish func() (held bool, err error)) error {
	began := time.Now()
	pause := firstHeldPause
	for {
		held, err := publish()
		if err != nil || !held || time.Since(began) >= patience {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, lastHeldPause)
	}
}

// anyHeld reports whether a transaction elsewhere kept an event from being stored.
func anyHeld(results []Published) bool {
	return slices.ContainsFunc(results, func(p Published) bool { return p.Held })
}

// An eventKey is the unique key of an event.
type eventKey struct{ tenant, id string }

// heldIDs remembers the ids that other transactions held a moment ago. It is safe for
// concurrent use.
type heldIDs struct {
	mu    sync.Mutex
	until map[eventKey]time.Time
}

func (h *heldIDs) has(key eventKey) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, found := h.until[key]
	return found && time.Now().Before(until)
}

func (h *heldIDs) add(key eventKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if len(h.until) >= heldMost {
		for k, until := range h.until {
			if !now.Before(until) {
				delete(h.until, k)
			}
		}
	}
	if len(h.until) >= heldMost {
		return
	}
	if h.until == nil {
		h.until = make(map[eventKey]time.Time)
	}
	h.until[key] = now.Add(heldMemory)
}

func (h *heldIDs) remove(key eventKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.until, key)
}
