package lane

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkLanes sends one item after the other, each through the next lane: Reserve, Push,
// Next, Done and Free.
func BenchmarkLanes(b *testing.B) {
	for _, lanes := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(lanes), func(b *testing.B) {
			s := newBenchSet(lanes)
			b.ReportAllocs()
			key := 0
			for b.Loop() {
				w := NewWeight(1000)
				r, ok := s.Reserve(key, 0, &w)
				if !ok {
					b.Fatal("no room")
				}
				s.Push(r, key)
				_, ticket, ok := s.Next()
				if !ok {
					b.Fatal("nothing may go")
				}
				s.Done(ticket, Answered, time.Millisecond)
				s.Free()
				if key++; key == lanes {
					key = 0
				}
			}
		})
	}
}

// BenchmarkLanesWithBacklog sends items while an item waits in every lane and as many items
// are out as the limits allow.
func BenchmarkLanesWithBacklog(b *testing.B) {
	for _, lanes := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(lanes), func(b *testing.B) {
			s := newBenchSet(lanes)
			out := make(chan Ticket[int, int], 1024)
			next := func() {
				if value, ticket, ok := s.Next(); ok {
					s.add(value, 0, value, weight(1000))
					out <- ticket
				}
			}
			for key := range lanes {
				s.add(key, 0, key, weight(1000))
				s.add(key, 0, key, weight(1000))
			}
			for range 1024 {
				next()
			}
			b.ReportAllocs()
			for b.Loop() {
				s.Done(<-out, Answered, time.Millisecond)
				s.Free()
				next()
			}
		})
	}
}

// BenchmarkRoom asks for the room that a claim may fill, while all lanes are active.
func BenchmarkRoom(b *testing.B) {
	for _, lanes := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(lanes), func(b *testing.B) {
			s := newBenchSet(lanes)
			for key := range lanes {
				s.add(key, 0, key, weight(1000))
			}
			b.ReportAllocs()
			for b.Loop() {
				s.offerRoom(true)
			}
		})
	}
}

// newBenchSet returns a Set with the limits of a Dispatcher. Its lanes have proven quick.
func newBenchSet(lanes int) *Set[int, int] {
	s := New[int, int](Limits{
		InFlight: 1024, Cap: 8, Untested: 2, Queue: 16 << 10, Bytes: 64 << 20, Lanes: 16 << 10, Wait: 10 * time.Second,
	})
	for key := range lanes {
		s.add(key, 0, key, weight(1000))
		_, ticket, _ := s.Next()
		s.Done(ticket, Answered, time.Millisecond)
		s.Free()
	}
	s.offerRoom(true)
	s.endRound(false)
	return s
}
