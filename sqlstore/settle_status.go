package sqlstore

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
	"github.com/gowebhook/webhook/internal/versions"
)

// lockStatuses returns the status of the items' endpoints. It locks the status rows that the
// items may change. If another transaction holds such a row, the items that may change it are
// put off.
func (b *settler) lockStatuses() (map[uuid.UUID]*status, error) {
	changing, others := make(map[uuid.UUID]bool), make(map[uuid.UUID]bool)
	for _, i := range b.rest {
		if item := &b.items[i]; health.Acts(item) || tells(item) && item.Attempt.Class != "" {
			changing[b.refs[i]] = true
		}
	}
	for _, i := range b.rest {
		if ref := b.refs[i]; !changing[ref] {
			others[ref] = others[ref] || tells(&b.items[i])
		}
	}
	statuses, err := b.statuses(readStatus, sortedRefs(others))
	if err != nil {
		return nil, err
	}
	for ref, s := range statuses {
		if others[ref] && health.Failing(&s.Health) { // a success ends the failing
			changing[ref] = true
		}
	}
	if b.locked, err = b.statuses(lockFreeStatus, sortedRefs(changing)); err != nil {
		return nil, err
	}
	for ref, s := range b.locked {
		statuses[ref] = s
		delete(changing, ref)
	}
	held, err := b.statuses(readStatus, sortedRefs(changing)) // a deleted endpoint has no row
	if err != nil {
		return nil, err
	}
	for ref := range changing {
		delete(statuses, ref)
	}
	maps.Copy(statuses, held)
	if len(held) > 0 {
		b.putOff(func(i int) error {
			if held[b.refs[i]] == nil || !tells(&b.items[i]) && !health.Acts(&b.items[i]) {
				return nil
			}
			return heldError(fmt.Sprintf("the status of endpoint %q", b.items[i].Endpoint.ID))
		})
	}
	return statuses, nil
}

// tells reports whether an item has an attempt that counts for its endpoint's Health.
func tells(item *webhook.Settlement) bool { return item.Attempt != nil && !item.Attempt.Test }

// apply applies the edits to the locked statuses. It writes nothing about a healthy endpoint
// that stays healthy.
func (b *settler) apply() error {
	failing := health.FailingOf(b.items)
	b.edits = slices.DeleteFunc(b.edits, func(e health.Edit) bool {
		s := b.locked[refOf(e.Item.Endpoint)]
		return s == nil || !e.Act && !failing[e.Item.Endpoint] && !health.Failing(&s.Health)
	})
	if len(b.edits) == 0 {
		return nil
	}
	before := make(map[uuid.UUID]status, len(b.locked))
	for ref, s := range b.locked {
		before[ref] = *s
	}
	health.Sort(b.edits)
	var disabled []uuid.UUID
	for _, edit := range b.edits {
		ref := refOf(edit.Item.Endpoint)
		s := b.locked[ref]
		if reason := edit.Apply(&s.Health); reason != "" && s.State != webhook.EndpointDisabled {
			s.State, s.reason, s.updatedAt = webhook.EndpointDisabled, reason, b.now
			disabled = append(disabled, ref)
		}
	}
	if err := b.supersedeAll(disabled); err != nil {
		return err
	}
	rows := newTable(len(b.locked))
	for _, ref := range sortedRefs(b.locked) {
		if *b.locked[ref] != before[ref] {
			rows.Add(b.locked[ref].updateCells()...)
		}
	}
	return b.ExecAll(updateStatus, rows)
}

// supersedeAll begins the next version of endpoints.
func (b *settler) supersedeAll(refs []uuid.UUID) error {
	if len(refs) == 0 {
		return nil
	}
	list := make([]*status, len(refs))
	for i, ref := range refs {
		list[i] = b.locked[ref]
	}
	if err := b.supersede(b.at, list...); err != nil {
		return err
	}
	for _, s := range list {
		s.Version = versions.Next(s.Version, b.at.UnixMicro())
	}
	return nil
}
