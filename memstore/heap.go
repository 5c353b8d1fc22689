package memstore

// A heap orders elements by time: the earliest first, and equal times in the order of arrival.
// Its elements embed a node that knows their position, so each can leave from anywhere.
type heap[T any] struct {
	items []heapItem[T]
}

// heapItem has its key beside the pointer, so that sifting does not touch the elements' other
// memory.
type heapItem[T any] struct {
	at   int64
	seq  uint64
	node *node[T]
}

// A node is an element's position in a heap. A node is in at most one heap.
type node[T any] struct {
	of  *T
	pos int
}

// smallHeap is the capacity below which a heap keeps its memory.
const smallHeap = 64

func (a *heapItem[T]) before(b *heapItem[T]) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (h *heap[T]) len() int { return len(h.items) }

// top returns the first element. The heap must not be empty.
func (h *heap[T]) top() *T { return h.items[0].node.of }

// due reports whether the first element's time has come.
func (h *heap[T]) due(now int64) bool { return len(h.items) > 0 && h.items[0].at <= now }

func (h *heap[T]) push(at int64, seq uint64, n *node[T]) {
	h.items = append(h.items, heapItem[T]{at, seq, n})
	h.up(len(h.items) - 1)
}

func (h *heap[T]) pop() *T {
	n := h.items[0].node
	h.remove(n)
	return n.of
}

func (h *heap[T]) remove(n *node[T]) {
	i, last := n.pos, len(h.items)-1
	if i != last {
		h.items[i] = h.items[last]
		h.items[i].node.pos = i
	}
	h.items[last] = heapItem[T]{}
	h.items = h.items[:last]
	if i != last && !h.down(i) {
		h.up(i)
	}
	// A heap that was once large gives memory back. Otherwise every endpoint would keep the
	// memory of its worst day.
	if c := cap(h.items); c > smallHeap && last < c/4 {
		h.items = append(make([]heapItem[T], 0, c/2), h.items...)
	}
}

// until calls visit with each element whose time has come, in no order.
func (h *heap[T]) until(now int64, visit func(*T)) { h.walk(0, now, visit) }

func (h *heap[T]) walk(i int, now int64, visit func(*T)) {
	if i >= len(h.items) || h.items[i].at > now {
		return
	}
	visit(h.items[i].node.of)
	h.walk(2*i+1, now, visit)
	h.walk(2*i+2, now, visit)
}

func (h *heap[T]) up(i int) {
	item := h.items[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !item.before(&h.items[parent]) {
			break
		}
		h.items[i] = h.items[parent]
		h.items[i].node.pos = i
		i = parent
	}
	h.items[i] = item
	item.node.pos = i
}

// down reports whether the item moved.
func (h *heap[T]) down(i int) bool {
	item, start := h.items[i], i
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if right := child + 1; right < len(h.items) && h.items[right].before(&h.items[child]) {
			child = right
		}
		if !h.items[child].before(&item) {
			break
		}
		h.items[i] = h.items[child]
		h.items[i].node.pos = i
		i = child
	}
	h.items[i] = item
	item.node.pos = i
	return i != start
}
