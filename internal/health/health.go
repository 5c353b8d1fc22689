// Package health has the rules that all stores follow for an endpoint's Health when deliveries
// are settled.
package health

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gowebhook/webhook"
)

// An Edit is the effect of one item of a Settle on its endpoint.
type Edit struct {
	Item  *webhook.Settlement
	Merge bool // merge its attempt into Health
	Act   bool // apply BlockUntil, OpenCircuit and Disable
}

// Acts reports whether an item has an effect on its endpoint besides its attempt.
func Acts(item *webhook.Settlement) bool {
	return item.OpenCircuit || item.Disable != "" || !item.BlockUntil.IsZero()
}

// IsReset reports whether an update from old to e resets the endpoint's health.
func IsReset(old, e *webhook.Endpoint) bool {
	return urlOf(e) != urlOf(old) || old.State == webhook.EndpointDisabled && e.State != webhook.EndpointDisabled
}

// urlOf returns the part of an endpoint's URL that identifies it. It is the whole URL, or, if
// the URL is sealed, the part before the sealed text.
func urlOf(e *webhook.Endpoint) string {
	const sealed = "/sealed:"
	if _, rest, found := strings.Cut(e.URL, "://"); found {
		if host, path, found := strings.Cut(rest, sealed); found && !strings.Contains(host, "/") {
			if tag, _, found := strings.Cut(path, ":"); found {
				return e.URL[:len(e.URL)-len(path)+len(tag)]
			}
		}
	}
	return e.URL
}

// Failing reports whether a success would change h.
func Failing(h *webhook.Health) bool { return h.Failures > 0 || h.Circuit }

// Failures are the endpoints with a failed attempt among the items of a Settle.
type Failures map[webhook.EndpointKey]bool

// FailuresOf returns the failures among items. It is nil if there are none.
func FailuresOf(items []webhook.Settlement) (failures Failures) {
	for i := range items {
		if a := items[i].Attempt; a != nil && a.Class != "" {
			if failures == nil {
				failures = make(Failures)
			}
			failures[items[i].Endpoint] = true
		}
	}
	return failures
}

// Changes reports whether e may change h, the Health of its endpoint before the Settle. A
// success changes nothing unless the endpoint is failing or fails in the same Settle.
func (f Failures) Changes(e Edit, h *webhook.Health) bool {
	return e.Act || e.Merge && (f[e.Item.Endpoint] || Failing(h))
}

// Sort orders the edits of one call by their attempts, so that the order of the items does not
// matter.
func Sort(edits []Edit) {
	slices.SortStableFunc(edits, func(a, b Edit) int {
		ra, rb := rank(a.Item), rank(b.Item)
		if ra == last || rb == last {
			return cmp.Compare(ra, rb)
		}
		return cmp.Or(a.Item.Attempt.StartedAt.Compare(b.Item.Attempt.StartedAt), cmp.Compare(ra, rb))
	})
}

// last is the rank of an item without an attempt.
const last = 2

// rank is the order of items with the same time: failures come before successes.
func rank(item *webhook.Settlement) int {
	switch {
	case item.Attempt == nil:
		return last
	case item.Attempt.Class == "":
		return 1
	}
	return 0
}

// Apply applies an edit to h. It returns the reason to disable the endpoint, if there is one.
func (e Edit) Apply(h *webhook.Health) webhook.Reason {
	if e.Merge {
		merge(h, e.Item.Attempt)
	}
	if !e.Act {
		return ""
	}
	if e.Item.BlockUntil.After(h.BlockedUntil) {
		h.BlockedUntil = e.Item.BlockUntil
	}
	if e.Item.OpenCircuit {
		h.Circuit = true
	}
	return e.Item.Disable
}

// merge adds an attempt to h. Attempts may arrive out of order. A failure before the last
// recovery does not count, and neither does a success before the first failure. The result is
// the one of the right order, as far as h can tell.
func merge(h *webhook.Health, a *webhook.Attempt) {
	at := a.StartedAt
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
	case !Failing(h), h.Failures > 0 && at.Before(h.FailingSince):
		return
	case h.Failures > 0 && at.Before(h.LastFailureAt):
		h.Failures, h.FailingSince = 1, h.LastFailureAt // of the failures since then, only the last is known
	default:
		end(h)
	}
	if at.After(h.RecoveredAt) {
		h.RecoveredAt = at
	}
}

// end ends a run of failures, and an open circuit with its block.
func end(h *webhook.Health) {
	none := webhook.Health{}
	h.Failures, h.FailingSince = 0, none.FailingSince
	if h.Circuit {
		h.Circuit, h.BlockedUntil = false, none.BlockedUntil
	}
}
