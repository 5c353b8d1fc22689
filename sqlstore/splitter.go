package sqlstore

import (
	"context"
	"slices"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// A splitter tries many items at once. If the database refuses them, the splitter finds
// the items that it refuses: it tries parts of the items, until each refused item is
// alone.
//
// Example: of the items 0 to 7 the database refuses item 5. With halves, the splitter
// tries 0–7, 0–3, 4–7, 4–5, 4, 5 and 6–7. With singles, it tries 0–7 and then each item.
type splitter struct {
	ctx   context.Context
	size  func(items int) int                 // of the parts of refused items
	try   func(items []int) error             // does nothing if it returns an error
	alone func(item int, problem error) error // gets an item that is refused alone; its error ends the run
}

// halves is for tries that cost about the same for many items as for one.
func halves(items int) int { return (items + 1) / 2 }

// singles is for tries that wait before they are refused. Each refused item is tried once
// more, and with halves it would be tried several times.
func singles(int) int { return 1 }

// run tries items. It returns an error if trying smaller parts is useless.
func (s *splitter) run(items []int) error {
	err := s.try(items)
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil, engine.Hopeless(err):
		return err
	case len(items) == 1:
		return s.alone(items[0], err)
	}
	return s.split(items)
}

// split tries the parts of items.
func (s *splitter) split(items []int) error {
	for part := range slices.Chunk(items, s.size(len(items))) {
		if err := s.run(part); err != nil {
			return err
		}
	}
	return nil
}

// indexes returns the numbers from 0 to before n.
func indexes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// selected returns some items of list, in the order of their indexes.
func selected[T any](list []T, items []int) []T {
	if n := len(items); n > 0 && items[n-1]-items[0] == n-1 {
		return list[items[0] : items[0]+n]
	}
	some := make([]T, len(items))
	for n, i := range items {
		some[n] = list[i]
	}
	return some
}
