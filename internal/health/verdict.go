package health

import (
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
)

// Facts are the facts that a store has read about an item of a Settle. They decide the Verdict.
type Facts struct {
	Found  bool // the item's tenant has the delivery
	Leased bool // the delivery is leased under the item's number, and that lease was not settled
	// Settled says that the lease is known to have been settled. It is not used if Leased is
	// set.
	Settled bool
	Logged  bool  // the log has or had an attempt of the lease
	Exists  bool  // the item's endpoint exists
	Version int64 // of the endpoint, if it exists
}

// A Result says whether an item changes its delivery.
type Result int

// The results of an item.
const (
	Applied Result = iota
	Already        // the lease was settled before
	Lost           // the lease belongs to somebody else, or is unknown
)

// A Verdict says how a store settles an item.
//
// Example: a process settles an attempt of lease 3 with BlockUntil, but another process has
// taken the delivery over under lease 4. The item is Lost, so the delivery does not change and
// the endpoint is not blocked. The attempt is still logged, as a late one, and still counts for
// the endpoint's Health.
type Verdict struct {
	Result Result
	Log    bool      // store the attempt, as a late one unless the item is Applied
	Due    time.Time // when a pending delivery is due, if the item is Applied
	Edit   Edit      // of the endpoint
}

// Fails reports whether an item ends its delivery in a way that its tenant may want to know.
func Fails(item *webhook.Settlement) bool {
	a := item.Attempt
	return item.State == webhook.DeliveryFailed && a != nil && !a.Test && !contract.IsOperational(a.EventType)
}

// Judge returns the verdict on an item.
//
// The effects of an item on its endpoint apply only to the endpoint version of the request,
// because a customer may have mended the endpoint meanwhile.
func Judge(item *webhook.Settlement, f Facts) Verdict {
	v := Verdict{Result: Lost, Due: item.DueAt, Edit: Edit{Item: item}}
	switch {
	case f.Leased:
		v.Result = Applied
	case f.Found && f.Settled:
		v.Result = Already
	}
	v.Log = item.Attempt != nil && f.Found && !f.Logged
	v.Edit.Fail = f.Leased && f.Exists && Fails(item)
	if !f.Exists || f.Version != item.Version {
		return v
	}
	if item.BlockUntil.After(item.DueAt) {
		v.Due = item.BlockUntil
	}
	v.Edit.Merge = v.Log && !item.Attempt.Test && !item.Excused
	v.Edit.Act = f.Leased && Acts(item)
	return v
}
