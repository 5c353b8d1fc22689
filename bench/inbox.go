package main

import (
	"slices"
	"sync"
	"time"
)

// An inbox has the requests to a group of endpoints.
type inbox struct {
	mu       sync.Mutex
	requests int
	invalid  int
	seen     map[delivery]struct{}
	delays   []time.Duration
}

// A delivery is an event for one endpoint.
type delivery struct{ path, id string }

// Arrivals are the numbers of an inbox.
type arrivals struct {
	Requests int
	Distinct int // deliveries
	Invalid  int // signatures

	P50, P99 time.Duration // from Emit to the arrival
}

func newInbox() *inbox { return &inbox{seen: make(map[delivery]struct{})} }

func (b *inbox) add(d delivery, delay time.Duration, valid bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	b.seen[d] = struct{}{}
	b.delays = append(b.delays, delay)
	if !valid {
		b.invalid++
	}
}

func (b *inbox) arrivals(latency bool) arrivals {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := arrivals{Requests: b.requests, Distinct: len(b.seen), Invalid: b.invalid}
	if latency {
		slices.Sort(b.delays)
		a.P50, a.P99 = percentile(b.delays, 0.5), percentile(b.delays, 0.99)
	}
	return a
}
