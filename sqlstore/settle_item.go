package sqlstore

import (
	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
)

// A settleItem is an item of a Settle.
type settleItem struct {
	*webhook.Settlement
	index int // in the request
	ref   uuid.UUID
}

func settleItems(list []webhook.Settlement) []settleItem {
	items := make([]settleItem, len(list))
	for i := range list {
		items[i] = settleItem{&list[i], i, refOf(list[i].Endpoint)}
	}
	return items
}

func (i *settleItem) key() rowKey { return rowKey{i.UID, i.Endpoint.ID} }

func (i *settleItem) attemptKey() attemptKey { return attemptKey{i.key(), i.LeaseNo} }

// counts reports whether the item has an attempt that counts for its endpoint's Health.
func (i *settleItem) counts() bool { return i.Attempt != nil && !i.Attempt.Test }

// changesStatus reports whether the item may change a healthy endpoint.
func (i *settleItem) changesStatus() bool {
	return health.Acts(i.Settlement) || health.Fails(i.Settlement) || i.counts() && i.Attempt.Class != ""
}

// isPlain reports whether the item is a success that changes nothing about a healthy endpoint.
func (i *settleItem) isPlain() bool {
	a := i.Attempt
	return i.State == webhook.DeliverySucceeded && i.Reason == "" && !health.Acts(i.Settlement) &&
		a != nil && a.Class == "" && a.Error == "" && a.NextAt.IsZero() && !a.Test
}
