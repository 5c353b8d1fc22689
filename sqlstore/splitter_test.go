package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A refusal is a database that refuses tries with certain items.
type refusal struct {
	items []int
	err   error
	tried []string
	done  []int
}

func (r *refusal) try(items []int) error {
	r.tried = append(r.tried, fmt.Sprint(items))
	for _, i := range items {
		if slices.Contains(r.items, i) {
			return r.err
		}
	}
	r.done = append(r.done, items...)
	return nil
}

func TestASplitterFindsTheItemsThatAreRefused(t *testing.T) {
	broken := errors.New("refused")
	for name, c := range map[string]struct {
		size    func(int) int
		refused []int
		tried   []string
		done    []int
	}{
		"all accepted": {halves, nil, []string{"[0 1 2 3 4]"}, []int{0, 1, 2, 3, 4}},
		"halves": {
			halves, []int{3}, []string{"[0 1 2 3 4]", "[0 1 2]", "[3 4]", "[3]", "[4]"}, []int{0, 1, 2, 4},
		},
		"singles": {
			singles, []int{3}, []string{"[0 1 2 3 4]", "[0]", "[1]", "[2]", "[3]", "[4]"}, []int{0, 1, 2, 4},
		},
		"several": {
			halves, []int{0, 4}, []string{"[0 1 2 3 4]", "[0 1 2]", "[0 1]", "[0]", "[1]", "[2]", "[3 4]", "[3]", "[4]"}, []int{1, 2, 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := refusal{items: c.refused, err: broken}
			var alone []int
			s := splitter{ctx: t.Context(), size: c.size, try: db.try}
			s.alone = func(i int, problem error) error {
				alone = append(alone, i)
				assert.Equal(t, broken, problem)
				return nil
			}
			assert.NoError(t, s.run(indexes(5)))
			assert.Equal(t, c.tried, db.tried)
			assert.Equal(t, c.done, db.done)
			assert.Equal(t, c.refused, alone)
		})
	}
}

func TestASplitterEndsWhenSmallerPartsAreUseless(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	stop := errors.New("stop")
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want error
		most int
	}{
		"the context has ended":   {ended, errors.New("refused"), errors.New("refused"), 1},
		"the tables are missing":  {t.Context(), &pgError{"42P01"}, &pgError{"42P01"}, 1},
		"a refused item is fatal": {t.Context(), errors.New("refused"), stop, 3},
	} {
		t.Run(name, func(t *testing.T) {
			db := refusal{items: []int{0, 3}, err: c.err}
			s := splitter{ctx: c.ctx, size: halves, try: db.try}
			s.alone = func(int, error) error { return stop }
			assert.Equal(t, c.want, s.run(indexes(4)))
			assert.Len(t, db.tried, c.most)
			assert.Empty(t, db.done)
		})
	}
}

func TestSelectedItemsKeepTheirOrder(t *testing.T) {
	list := []string{"a", "b", "c", "d"}
	for _, c := range []struct {
		items []int
		want  []string
	}{
		{[]int{}, []string{}},
		{[]int{3}, []string{"d"}},
		{[]int{1, 2, 3}, []string{"b", "c", "d"}},
		{[]int{0, 2}, []string{"a", "c"}},
		{[]int{0, 1, 3}, []string{"a", "b", "d"}},
	} {
		assert.Equal(t, c.want, selected(list, c.items), "%v", c.items)
	}
}
