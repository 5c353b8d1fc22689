package lane

import "iter"

// Kinds of lanes. Each kind has a ring. Lanes with nothing out go before lanes with items out.
// In both groups, quick and slow lanes take turns.
const (
	slowKind = 1 // the last item was slow, or there was none
	busyKind = 2 // items are out
	kinds    = 4
)

// A ring holds lanes that may give an item, in the order of their turns. Every lane that may
// give one is in the ring of its kind. A lane that may give no more, or has changed its kind,
// stays in the ring and is passed over.
type ring[K comparable, T any] struct{ lanes fifo[*lane[K, T]] }

func (r *ring[K, T]) push(l *lane[K, T], kind int) {
	l.ringed[kind] = true
	r.lanes.push(l)
}

// pop returns the next lane of the ring's kind that may give an item.
func (r *ring[K, T]) pop(kind int) *lane[K, T] {
	for r.lanes.len() > 0 {
		l := r.lanes.pop()
		l.ringed[kind] = false
		if l.mayGive() && l.kind() == kind {
			return l
		}
	}
	return nil
}

// A fifo is a queue in a circular buffer. After a burst, it frees the buffer when it is empty.
type fifo[E any] struct {
	buf   []E
	first int
	n     int
}

const keptBuffer = 64

func (q *fifo[E]) len() int { return q.n }

func (q *fifo[E]) push(e E) {
	if q.n == len(q.buf) {
		grown := make([]E, max(4, 2*q.n))
		k := copy(grown, q.buf[q.first:])
		copy(grown[k:], q.buf[:q.first])
		q.buf, q.first = grown, 0
	}
	q.buf[(q.first+q.n)&(len(q.buf)-1)] = e
	q.n++
}

func (q *fifo[E]) pop() E {
	var none E
	e := q.buf[q.first]
	q.buf[q.first] = none
	q.first = (q.first + 1) & (len(q.buf) - 1)
	q.n--
	if q.n == 0 && len(q.buf) > keptBuffer {
		q.buf, q.first = nil, 0
	}
	return e
}

// all returns the elements in order.
func (q *fifo[E]) all() iter.Seq[E] {
	return func(yield func(E) bool) {
		for i := range q.n {
			if !yield(q.buf[(q.first+i)&(len(q.buf)-1)]) {
				return
			}
		}
	}
}
