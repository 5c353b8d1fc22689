package memstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// recount checks that everything the Store keeps twice agrees, by counting all of it again, and that the limits are kept.
func recount(t testing.TB, s *Store) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var pending, unfinished, finished, readyNow, readyOff, waiting, leased, outbox int
	var bytes int64
	closed := closedList{}
	stored := map[*endpoint]int{}
	open := map[*endpoint]int{}
	attempts := map[*endpoint]int{}
	bound := map[*version]int{}

	require.Len(t, s.events, len(s.uids))
	require.Equal(t, len(s.events), checkIndex(t, &s.timeline))
	for k, ev := range s.events {
		require.Equal(t, k, ev.eventKey())
		require.Same(t, ev, s.uids[ev.UID])
		require.Same(t, ev.tenant, s.tenants[ev.Tenant])
		require.True(t, slices.IsSortedFunc(ev.deliveries, func(a, b *delivery) int { return strings.Compare(a.endpoint.ID, b.endpoint.ID) }))
		evBytes, evOpen, evAttempts := ev.size, 0, 0
		require.Equal(t, eventBytes(&ev.EventRecord), ev.size)
		for _, d := range ev.deliveries {
			e := d.endpoint
			require.Same(t, e, s.endpoints[e.key()])
			stored[e]++
			attempts[e] += len(d.attempts)
			evAttempts += len(d.attempts)
			last := int64(-1 << 63)
			for _, a := range d.attempts {
				require.Greater(t, a.leaseNo, last, "attempts are by lease number")
				last = a.leaseNo
				require.Equal(t, attemptBytes(&a.Attempt), a.bytes)
				evBytes += a.bytes
			}
			if final(d.state) {
				finished++
				require.Equal(t, nowhere, d.in)
				require.False(t, d.leased)
				require.Nil(t, d.made)
				continue
			}
			evOpen++
			open[e]++
			if d.made != nil {
				bound[d.made]++
			}
			switch d.in {
			case inWaiting:
				waiting++
				require.False(t, d.leased)
				require.Same(t, d, s.waiting.items[d.slot.pos].node.of)
			case inLeased:
				leased++
				require.True(t, d.leased)
				require.Same(t, d, s.leased.items[d.slot.pos].node.of)
			case inReady:
				require.Same(t, d, e.ready.items[d.slot.pos].node.of)
				if e.lane == laneRing {
					readyNow++
				} else {
					readyOff++
				}
			case nowhere:
				t.Fatalf("a pending delivery is nowhere")
			}
		}
		pending += evOpen
		unfinished += evOpen
		bytes += evBytes
		require.Equal(t, evOpen, ev.open)
		require.Equal(t, evBytes, ev.bytes)
		if ev.fanout {
			require.Equal(t, evAttempts, checkIndex(t, &ev.attempts))
		}
		if ev.unmade {
			outbox++
			if !ev.begun {
				unfinished++
			}
		} else if len(ev.deliveries) == 0 {
			finished++
		}
		require.Equal(t, evOpen == 0 && !ev.unmade, ev.closed)
		if ev.closed {
			closed.rows += max(len(ev.deliveries), 1)
			closed.bytes += ev.bytes
		}
	}
	require.Equal(t, []int{pending, unfinished, finished}, []int{s.pending, s.unfinished, s.finished}, "pending, unfinished, finished")
	require.Equal(t, []int{readyNow, readyOff}, []int{s.readyNow, s.readyOff}, "ready")
	require.Equal(t, []int{waiting, leased, outbox}, []int{checkHeap(t, &s.waiting), checkHeap(t, &s.leased), checkHeap(t, &s.outbox)})
	require.Equal(t, bytes, s.bytes, "bytes")
	require.Equal(t, []any{closed.rows, closed.bytes}, []any{s.closed.rows, s.closed.bytes}, "closed")

	checkEndpoints(t, s, stored, open, attempts, bound)

	require.LessOrEqual(t, s.unfinished+s.finished, s.maxRows)
	if s.closed.head != nil {
		require.LessOrEqual(t, s.finished, s.maxFinished)
	}
	// Beyond MaxBytes there may be one attempt of each delivery, without a body.
	require.LessOrEqual(t, s.bytes, s.maxBytes+int64(s.unfinished+s.finished)*(attemptOverhead+shortError))
}

func checkEndpoints(t testing.TB, s *Store, stored, open, attempts map[*endpoint]int, bound map[*version]int) {
	t.Helper()
	inRing, blocked, owned, subs := 0, 0, 0, 0
	for k, e := range s.endpoints {
		require.Equal(t, k, e.key())
		require.Equal(t, stored[e], checkIndex(t, &e.deliveries))
		require.Equal(t, attempts[e], checkIndex(t, &e.attempts))
		require.Equal(t, open[e], e.unfinished)
		checkHeap(t, &e.ready)
		idle := 0
		for d := e.oldest; d != nil; d = d.next {
			require.Contains(t, []place{inReady, inWaiting}, d.in)
			idle++
		}
		held := 0
		for d := range e.deliveries.up(key{}) {
			if d.in == inLeased {
				held++
			}
		}
		require.Equal(t, e.unfinished, idle+held, "those that nobody holds")
		require.Equal(t, e.doomed, e.dead() && e.doomed)
		if e.dead() && e.unfinished > 0 {
			require.True(t, e.doomed, "Prune does not know of deliveries that it has to cancel")
		}
		require.Equal(t, micros(e.Health.BlockedUntil), e.blockedUntil)
		switch e.lane {
		case laneEmpty:
			require.Zero(t, e.ready.len())
		case laneRing:
			inRing++
			require.False(t, e.heldBack())
		case laneBlocked:
			blocked++
			require.Equal(t, e.blockedUntil, s.blocked.items[e.slot.pos].at)
		case laneHeld:
			require.True(t, e.heldBack())
		}
		require.Equal(t, e.lane == laneEmpty, e.ready.len() == 0)
		if e.gone {
			require.NotZero(t, e.deliveries.len(), "a deleted endpoint is kept for nothing")
			continue
		}
		owned++
		_, found := e.tenant.search(e.ID)
		require.True(t, found)
		spare := 0
		for _, v := range e.versions {
			require.Equal(t, bound[v], v.deliveries)
			if v.deliveries == 0 {
				spare++
			}
		}
		require.LessOrEqual(t, spare, spareVersions+1)
		require.Equal(t, e.Version, e.present().number)
		if e.State != webhook.EndpointDisabled {
			subs += len(slices.Compact(slices.Sorted(slices.Values(e.Events))))
		}
	}
	for e := s.ring.head; e != nil; e = e.ringN {
		inRing--
		if e.ringN != nil {
			require.LessOrEqual(t, e.visited, e.ringN.visited, "the ring is in the order of the last visits")
		}
	}
	require.Zero(t, inRing)
	require.Equal(t, blocked, checkHeap(t, &s.blocked))
	doomed := 0
	for e := s.doomed.head; e != nil; e = e.ringN {
		require.True(t, e.doomed)
		doomed++
	}
	for _, e := range s.endpoints {
		if e.doomed {
			doomed--
		}
	}
	require.Zero(t, doomed)

	events, owners := 0, 0
	for name, tn := range s.tenants {
		require.Equal(t, name, tn.name)
		require.Positive(t, len(tn.endpoints)+tn.events.len(), "a tenant is kept for nothing")
		events += checkIndex(t, &tn.events)
		owned -= len(tn.endpoints)
		if len(tn.endpoints) > 0 {
			owners++
		}
	}
	require.Equal(t, len(s.events), events)
	require.Zero(t, owned)
	require.Len(t, s.owners, owners)
	for _, list := range s.subs {
		require.NotEmpty(t, list)
		subs -= len(list)
	}
	require.Zero(t, subs)
}

// checkHeap checks the order of a heap, and returns how many elements it has.
func checkHeap[T any](t testing.TB, h *heap[T]) int {
	t.Helper()
	for i := range h.items {
		require.Equal(t, i, h.items[i].node.pos)
		if i > 0 {
			require.False(t, h.items[i].before(&h.items[(i-1)/2]))
		}
	}
	require.True(t, cap(h.items) <= smallHeap || len(h.items) >= cap(h.items)/4-1, "%d of %d", len(h.items), cap(h.items))
	return len(h.items)
}

// checkIndex checks the order of an index, and returns how many elements it has.
func checkIndex[T any](t testing.TB, x *index[T]) int {
	t.Helper()
	n := 0
	var last *key
	for _, c := range x.chunks {
		require.NotEmpty(t, c)
		require.LessOrEqual(t, len(c), chunkSize)
		for i := range c {
			require.True(t, last == nil || last.less(c[i].key))
			last = &c[i].key
			n++
		}
	}
	require.Equal(t, x.n, n)
	return n
}
