package memstore

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"sort"

	"github.com/google/uuid"
)

// A key orders an index: an event's UID, or a time and a number.
type key struct{ hi, lo uint64 }

func uidKey(uid uuid.UUID) key {
	return key{binary.BigEndian.Uint64(uid[:8]), binary.BigEndian.Uint64(uid[8:])}
}

// timeKey orders by time, then by number. Flipping the sign lets times before 1970 come first.
func timeKey(at int64, number uint64) key { return key{uint64(at) ^ 1<<63, number} }

var lastKey = key{^uint64(0), ^uint64(0)}

// next returns the key right above k.
func (k key) next() key {
	if k.lo++; k.lo == 0 {
		k.hi++
	}
	return k
}

func (k key) compare(o key) int {
	if c := cmp.Compare(k.hi, o.hi); c != 0 {
		return c
	}
	return cmp.Compare(k.lo, o.lo)
}

func (k key) less(o key) bool { return k.hi < o.hi || k.hi == o.hi && k.lo < o.lo }

// An index keeps elements in the order of their keys, in chunks. Nearly all elements are added
// at the end, and the oldest are removed first. Both touch one chunk. Adding or removing
// elsewhere moves the elements of one chunk at most.
type index[T any] struct {
	chunks [][]indexItem[T] // none is empty
	n      int
}

type indexItem[T any] struct {
	key
	of *T
}

const (
	chunkSize   = 128
	smallChunks = 16 // the capacity below which an index keeps its list of chunks
)

func (x *index[T]) len() int { return x.n }

// first returns the element with the lowest key, or nil.
func (x *index[T]) first() *T {
	if x.n == 0 {
		return nil
	}
	return x.chunks[0][0].of
}

func (x *index[T]) add(k key, v *T) {
	x.n++
	item := indexItem[T]{k, v}
	end := len(x.chunks) - 1
	if end < 0 {
		x.chunks = append(x.chunks, []indexItem[T]{item})
		return
	}
	if c := x.chunks[end]; c[len(c)-1].less(k) {
		if len(c) < chunkSize {
			x.chunks[end] = append(c, item)
		} else {
			x.chunks = append(x.chunks, append(make([]indexItem[T], 0, chunkSize), item))
		}
		return
	}
	i, j := x.find(k)
	c := x.chunks[i]
	if len(c) >= chunkSize {
		half := slices.Clone(c[len(c)/2:])
		clear(c[len(c)/2:])
		c = c[:len(c)/2]
		x.chunks[i] = c
		x.chunks = slices.Insert(x.chunks, i+1, half)
		if j > len(c) {
			i, j, c = i+1, j-len(c), half
		}
	}
	x.chunks[i] = slices.Insert(c, j, item)
}

// remove removes the element with this key, if there is one.
func (x *index[T]) remove(k key) {
	if x.n == 0 {
		return
	}
	i, j := x.find(k)
	c := x.chunks[i]
	if j == len(c) || c[j].key != k {
		return
	}
	x.n--
	if j == 0 {
		c[0] = indexItem[T]{}
		c = c[1:]
	} else {
		c = slices.Delete(c, j, j+1)
	}
	x.chunks[i] = c
	switch {
	case len(c) == 0:
		x.drop(i)
	case len(c) < chunkSize/4 && i > 0 && len(c)+len(x.chunks[i-1]) <= chunkSize/2:
		// Sparse chunks are joined. Otherwise a few elements could keep the memory of many.
		x.chunks[i-1] = append(append(make([]indexItem[T], 0, chunkSize/2), x.chunks[i-1]...), c...)
		x.drop(i)
	}
}

func (x *index[T]) drop(i int) {
	x.chunks = slices.Delete(x.chunks, i, i+1)
	if c := cap(x.chunks); c > smallChunks && len(x.chunks) < c/4 {
		x.chunks = append(make([][]indexItem[T], 0, c/2), x.chunks...)
	}
}

// find returns the position of the first key that is not less than k. The position is in the
// last chunk that begins at or before k, and may be just behind that chunk's end. The index
// must not be empty.
func (x *index[T]) find(k key) (chunk, pos int) {
	if !x.chunks[0][0].less(k) {
		return 0, 0
	}
	i := sort.Search(len(x.chunks), func(i int) bool { return k.less(x.chunks[i][0].key) }) - 1
	j, _ := slices.BinarySearchFunc(x.chunks[i], k, func(item indexItem[T], k key) int { return item.compare(k) })
	return i, j
}

// down returns the elements whose keys are less than k, from the highest. The index must not
// change meanwhile.
func (x *index[T]) down(k key) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		if x.n == 0 {
			return
		}
		i, j := x.find(k)
		for ; i >= 0; i-- {
			for j--; j >= 0; j-- {
				if !yield(x.chunks[i][j].of) {
					return
				}
			}
			if i > 0 {
				j = len(x.chunks[i-1])
			}
		}
	}
}

// up returns the elements whose keys are k or more, from the lowest. The index must not change
// meanwhile.
func (x *index[T]) up(k key) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		if x.n == 0 {
			return
		}
		i, j := x.find(k)
		for ; i < len(x.chunks); i, j = i+1, 0 {
			for ; j < len(x.chunks[i]); j++ {
				if !yield(x.chunks[i][j].of) {
					return
				}
			}
		}
	}
}

// where returns the key of the first element for which beyond is true, or lastKey if there is
// none. beyond must be false for all elements before it, and true for all after it.
func (x *index[T]) where(beyond func(*T) bool) key {
	i := sort.Search(len(x.chunks), func(i int) bool {
		c := x.chunks[i]
		return beyond(c[len(c)-1].of)
	})
	if i == len(x.chunks) {
		return lastKey
	}
	c := x.chunks[i]
	return c[sort.Search(len(c), func(j int) bool { return beyond(c[j].of) })].key
}
