package sqlstore

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
)

// delivered settles plain successes by a single statement. Nearly all items are plain
// successes, which change nothing about their endpoint. delivered leaves the other items in
// rest: items of endpoints that are failing or have other items, and items whose lease is not
// the caller's any more.
func (b *settler) delivered() error {
	sick := make(map[uuid.UUID]bool) // endpoints with other items, because the order of an endpoint's successes and failures matters
	for i := range b.items {
		if !plainSuccess(&b.items[i]) {
			sick[b.refs[i]] = true
		}
	}
	var list []int
	b.rest = b.rest[:0]
	for i := range b.items {
		if sick[b.refs[i]] {
			b.rest = append(b.rest, i)
		} else {
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(i, j int) int { return b.key(i).compare(b.key(j)) })
	rows := newTable(len(list))
	for _, i := range list {
		item := &b.items[i]
		a := item.Attempt
		rows.Add(num(i), uid(item.UID), text(item.Endpoint.ID), uid(b.refs[i]), num(item.LeaseNo), num(item.Failures), at(a.StartedAt),
			num(a.Duration.Microseconds()), num(a.Status), flag(a.Truncated), bin(a.ResponseBody))
	}
	taken := make([]bool, len(b.items))
	b.well = make(map[uuid.UUID]*status)
	if err := b.Query(settleDelivered, rows, func(r *sql.Rows) error {
		var (
			indexes string
			s       status
		)
		if err := s.scan(r, &indexes); err != nil {
			return err
		}
		b.well[s.ref] = &s
		for one := range strings.SplitSeq(indexes, ",") {
			i, err := strconv.Atoi(one)
			if err != nil || i < 0 || i >= len(taken) {
				return fmt.Errorf("settled item %q", one)
			}
			taken[i] = true
		}
		return nil
	}, num(b.now)); err != nil {
		return err
	}
	for _, i := range list {
		if !taken[i] {
			b.rest = append(b.rest, i)
		}
	}
	slices.Sort(b.rest)
	return nil
}

// plainSuccess reports whether an item is a success that changes nothing about a healthy
// endpoint.
func plainSuccess(item *webhook.Settlement) bool {
	a := item.Attempt
	return item.State == webhook.DeliverySucceeded && item.Reason == "" && !health.Acts(item) &&
		a != nil && a.Class == "" && a.Error == "" && a.NextAt.IsZero() && !a.Test
}
