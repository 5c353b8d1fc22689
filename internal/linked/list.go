// Package linked has a doubly linked list. Its elements hold their own links, so adding one
// allocates nothing, and removing one needs no search.
package linked

// Links are the links of an element. A type E embeds Links[E] to be an element of one list at a
// time.
type Links[E any] struct{ prev, next *E }

func (l *Links[E]) links() *Links[E] { return l }

// Next returns the element behind this one, or nil.
func (l *Links[E]) Next() *E { return l.next }

// Prev returns the element in front of this one, or nil.
func (l *Links[E]) Prev() *E { return l.prev }

// An Element is a pointer to a type that embeds Links.
type Element[E any] interface {
	*E
	links() *Links[E]
}

// A List is a list of elements. The zero value is empty.
type List[E any, P Element[E]] struct{ first, last *E }

// First returns the first element, or nil.
func (l *List[E, P]) First() *E { return l.first }

// Last returns the last element, or nil.
func (l *List[E, P]) Last() *E { return l.last }

// Push adds an element at the end. It must not be in a list.
func (l *List[E, P]) Push(e *E) {
	at := P(e).links()
	at.prev, at.next = l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		P(l.last).links().next = e
	}
	l.last = e
}

// Remove removes an element of the list.
func (l *List[E, P]) Remove(e *E) {
	at := P(e).links()
	if at.prev == nil {
		l.first = at.next
	} else {
		P(at.prev).links().next = at.next
	}
	if at.next == nil {
		l.last = at.prev
	} else {
		P(at.next).links().prev = at.prev
	}
	*at = Links[E]{}
}
