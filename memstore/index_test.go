package memstore

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIndexKeepsOrderWhateverIsAddedAndRemoved(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var x index[key]
		var want []key
		top := uint64(0)
		for range 5000 {
			switch n := rnd.IntN(10); {
			case n < 4: // at the end
				top += 1 + rnd.Uint64N(3)
				k := key{top, rnd.Uint64()}
				x.add(k, &k)
				want = append(want, k)
			case n < 5: // elsewhere
				k := key{rnd.Uint64N(top + 1), rnd.Uint64()}
				x.add(k, &k)
				i, _ := slices.BinarySearchFunc(want, k, key.compare)
				want = slices.Insert(want, i, k)
			case n < 6:
				x.remove(key{rnd.Uint64(), 7}) // is not there
			case len(want) > 0 && (n < 9 || len(want) > 2000):
				i := 0
				if rnd.IntN(2) == 0 || seed%2 == 0 {
					i = rnd.IntN(len(want))
				}
				x.remove(want[i])
				want = slices.Delete(want, i, i+1)
			}
		}
		require.Equal(t, len(want), checkIndex(t, &x))
		k := key{rnd.Uint64N(top), 0}
		i, _ := slices.BinarySearchFunc(want, k, key.compare)
		for _, from := range []struct {
			key
			i int
		}{{key{}, 0}, {k, i}, {lastKey, len(want)}} {
			var up, down []key
			for v := range x.up(from.key) {
				up = append(up, *v)
			}
			for v := range x.down(from.key) {
				down = append(down, *v)
			}
			slices.Reverse(down)
			require.True(t, slices.Equal(want[from.i:], up))
			require.True(t, slices.Equal(want[:from.i], down))
		}
		if i < len(want) {
			require.Equal(t, want[i], x.where(func(v *key) bool { return !v.less(k) }))
		}
		require.Equal(t, lastKey, x.where(func(*key) bool { return false }))
	}
}

func TestThinnedOutIndexGivesItsMemoryBack(t *testing.T) {
	var x index[int]
	for i := range 100_000 {
		x.add(key{uint64(i), 0}, new(int))
	}
	for i := range 100_000 {
		if i%1000 != 0 {
			x.remove(key{uint64(i), 0})
		}
	}
	held := 0
	for _, c := range x.chunks {
		held += cap(c)
	}
	assert.Equal(t, 100, checkIndex(t, &x))
	assert.Less(t, held, 1000)
	assert.Less(t, cap(x.chunks), 100)
}

func TestHeapGivesWhatIsDueInOrder(t *testing.T) {
	type item struct {
		node node[item]
		at   int64
		seq  uint64
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var h heap[item]
	var in []*item
	compare := func(a, b *item) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return int(a.seq) - int(b.seq)
	}
	for i := range 20_000 {
		grow := i < 8000
		switch n := rnd.IntN(10); {
		case grow && n < 8 || n < 3:
			it := &item{at: rnd.Int64N(500), seq: uint64(i)}
			it.node.of = it
			h.push(it.at, it.seq, &it.node)
			in = append(in, it)
		case len(in) > 0 && n < 5: // from anywhere
			i := rnd.IntN(len(in))
			h.remove(&in[i].node)
			in = slices.Delete(in, i, i+1)
		case len(in) > 0:
			first := slices.MinFunc(in, compare)
			require.Same(t, first, h.top())
			require.Same(t, first, h.pop())
			in = slices.DeleteFunc(in, func(it *item) bool { return it == first })
		}
	}
	require.Equal(t, len(in), checkHeap(t, &h))
	due := 0
	h.until(100, func(it *item) {
		assert.LessOrEqual(t, it.at, int64(100))
		due++
	})
	assert.Equal(t, len(slices.DeleteFunc(slices.Clone(in), func(it *item) bool { return it.at > 100 })), due)
}
