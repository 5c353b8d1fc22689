// Package health has the rules that all stores follow for an endpoint's Health when deliveries
// are settled.
package health

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
)

// An Edit is the effect of one item of a Settle on its endpoint.
type Edit struct {
	Item  *webhook.Settlement
	Merge bool // merge its attempt into Health
	Act   bool // apply the item's consequences for the endpoint
	Fail  bool // its delivery has failed for good
}

// Acts reports whether an item has an effect on its endpoint besides its attempt.
func Acts(item *webhook.Settlement) bool {
	return item.OpenCircuit || item.Disable != "" || item.Status != "" || item.Holds > 0 || item.Throttles > 0 ||
		!item.BlockUntil.IsZero() || !item.ProbeUntil.IsZero()
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
	return e.Act || e.Fail || e.Merge && (f[e.Item.Endpoint] || Failing(h))
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

// An Endpoint is the part of an endpoint that edits change.
type Endpoint struct {
	Health *webhook.Health
	Told   *Told
	State  webhook.EndpointState // only read
}

// Apply applies an edit to an endpoint at now. If the endpoint is to be disabled, it returns the
// reason; the caller disables it. It also returns the notices of the changes.
func (e Edit) Apply(to Endpoint, now time.Time) (disable webhook.Reason, notices []webhook.Notice) {
	h, before := to.Health, to.Health.Status
	if e.Merge {
		merge(h, e.Item.Attempt)
	}
	if e.Act {
		disable = e.act(h, to.State, now)
	}
	tell := func(n webhook.Notice) {
		n.Time, n.Endpoint, n.Health = now, e.Item.Endpoint, *h
		to.Told.note(&n)
		notices = append(notices, n)
	}
	if h.Status != before {
		tell(webhook.Notice{Type: typeOf(h.Status)})
	}
	if disable != "" {
		tell(webhook.Notice{Type: contract.TypeDisabled, Reason: disable})
	}
	if a := e.Item.Attempt; e.Fail {
		tell(webhook.Notice{
			Type: contract.TypeDeliveryFailed, Reason: e.Item.Reason, EventID: a.EventID, EventType: a.EventType, Attempts: e.Item.Failures,
		})
	}
	return disable, notices
}

// act applies the consequences of an item. It returns the reason to disable the endpoint, if
// there is one.
func (e Edit) act(h *webhook.Health, state webhook.EndpointState, now time.Time) webhook.Reason {
	item := e.Item
	if h.Circuit && !item.ProbeUntil.IsZero() && h.BlockedUntil.Equal(item.ProbeUntil) {
		h.BlockedUntil = time.Time{}
	}
	if !isStale(item, h) {
		if item.BlockUntil.After(h.BlockedUntil) {
			h.BlockedUntil = item.BlockUntil
		}
		h.Circuit, h.Holds = h.Circuit || item.OpenCircuit, max(h.Holds, item.Holds)
	}
	h.Throttles = max(h.Throttles, item.Throttles)
	holds := h.Failures > 0 && h.FailingSince.Equal(item.FailingSince) // the run of failures that was judged
	if holds && stage(h.Status) < stage(item.Status) {
		h.Status, h.Since = item.Status, now
	}
	if item.Disable == "" || state == webhook.EndpointDisabled || !item.FailingSince.IsZero() && !holds {
		return ""
	}
	return item.Disable
}

// isStale reports whether an item would open a circuit for an attempt that began before the
// endpoint recovered.
func isStale(item *webhook.Settlement, h *webhook.Health) bool {
	return item.OpenCircuit && item.Attempt != nil && item.Attempt.StartedAt.Before(h.RecoveredAt)
}

// stage orders the statuses on the way from healthy to disabled.
func stage(s webhook.HealthStatus) int {
	switch s {
	case webhook.HealthFailing:
		return 1
	case webhook.HealthDisabling:
		return 2
	}
	return 0
}

// typeOf returns the type of the notice that an endpoint has a new status.
func typeOf(s webhook.HealthStatus) string {
	switch s {
	case webhook.HealthFailing:
		return contract.TypeFailing
	case webhook.HealthDisabling:
		return contract.TypeDisabling
	}
	return contract.TypeRecovered
}

// merge adds an attempt to h. Attempts may arrive out of order. A failure before the last
// recovery does not count, and neither does a success before the first failure. The result is
// the one of the right order, as far as h can tell.
func merge(h *webhook.Health, a *webhook.Attempt) {
	at := a.StartedAt
	if a.Class != "" {
		latest := isLatest(h, a)
		if latest {
			h.LastFailureAt, h.LastClass, h.LastStatus = at, a.Class, a.Status
		}
		if at.Before(h.RecoveredAt) {
			return
		}
		if latest && a.Status != http.StatusTooManyRequests {
			h.Throttles = 0
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
		end(h, at)
	}
	if at.After(h.RecoveredAt) {
		h.RecoveredAt = at
	}
}

// isLatest reports whether a failed attempt is the latest that h knows. Of two at the same time
// the one with the higher status is, so the order in which they arrive does not matter.
func isLatest(h *webhook.Health, a *webhook.Attempt) bool {
	return cmp.Or(a.StartedAt.Compare(h.LastFailureAt), cmp.Compare(a.Status, h.LastStatus), cmp.Compare(a.Class, h.LastClass)) >= 0
}

// end ends a run of failures at a time, and an open circuit with its block.
func end(h *webhook.Health, at time.Time) {
	none := webhook.Health{}
	h.Failures, h.FailingSince, h.Holds, h.Throttles = 0, none.FailingSince, 0, 0
	if h.Status != "" {
		h.Status, h.Since = "", at
	}
	if h.Circuit {
		h.Circuit, h.BlockedUntil = false, none.BlockedUntil
	}
}
