package memstore

import (
	"cmp"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// An edit is what one item of a Settle says of its endpoint. Those of one call are applied in the order of their attempts,
// so that the order of the items does not matter.
type edit struct {
	endpoint *endpoint
	item     *webhook.Settlement
	merge    bool // its attempt into Health
	act      bool // take BlockUntil, OpenCircuit and Disable
	at       int64
	rank     int // at the same time, failures come before successes, and what has no attempt comes last of all
}

// anyFailure reports whether an attempt failed. Otherwise the successes of endpoints that are not failing say nothing.
func anyFailure(items []webhook.Settlement) bool {
	for i := range items {
		if a := items[i].Attempt; a != nil && a.Class != "" {
			return true
		}
	}
	return false
}

func acts(item *webhook.Settlement) bool {
	return item.OpenCircuit || item.Disable != "" || !item.BlockUntil.IsZero()
}

func newEdit(e *endpoint, item *webhook.Settlement, merge, act bool) edit {
	ed := edit{endpoint: e, item: item, merge: merge, act: act, rank: 2}
	if a := item.Attempt; a != nil {
		ed.at, ed.rank = micros(a.StartedAt), 0
		if a.Class == "" {
			ed.rank = 1
		}
	}
	return ed
}

// before is the order in which edits are applied.
func (a *edit) compare(b *edit) int {
	if a.rank == 2 || b.rank == 2 {
		return cmp.Compare(a.rank, b.rank)
	}
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank))
}

func (s *Store) apply(edits []edit, now time.Time) {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.compare(&b) })
	for i := range edits {
		ed := &edits[i]
		e := ed.endpoint
		if ed.merge {
			e.merge(ed.item.Attempt)
		}
		if ed.act && e.act(ed.item, now) {
			s.unsubscribe(e)
		}
		s.stateChanged(e)
	}
}

// failing reports whether a success would change anything.
func (e *endpoint) failing() bool { return e.Health.Failures > 0 || e.Health.Circuit }

// merge adds what an attempt says to Health. What was older than what Health has of the other kind comes too late: the
// result is then the one of the right order, as far as Health can tell.
func (e *endpoint) merge(a *webhook.Attempt) {
	h, at := &e.Health, a.StartedAt
	if a.Class != "" {
		if at.After(h.LastFailureAt) {
			h.LastFailureAt = at
		}
		if at.Before(h.RecoveredAt) {
			return
		}
		if h.Failures == 0 || at.Before(h.FailingSince) {
			h.FailingSince = at
		}
		h.Failures++
		return
	}
	switch {
	case !e.failing(), h.Failures > 0 && at.Before(h.FailingSince):
		return
	case h.Failures > 0 && at.Before(h.LastFailureAt):
		h.Failures, h.FailingSince = 1, h.LastFailureAt // of those since, only the last is known
	default:
		h.Failures, h.FailingSince = 0, time.Time{}
		if h.Circuit {
			h.Circuit, h.BlockedUntil = false, time.Time{}
		}
	}
	if at.After(h.RecoveredAt) {
		h.RecoveredAt = at
	}
}

// act blocks or disables an endpoint, and reports whether it was disabled by that.
func (e *endpoint) act(item *webhook.Settlement, now time.Time) bool {
	h := &e.Health
	if item.BlockUntil.After(h.BlockedUntil) {
		h.BlockedUntil = item.BlockUntil
	}
	if item.OpenCircuit {
		h.Circuit = true
	}
	if item.Disable == "" || e.State == webhook.EndpointDisabled {
		return false
	}
	e.supersede()
	e.State, e.Reason, e.UpdatedAt = webhook.EndpointDisabled, item.Disable, now
	return true
}
