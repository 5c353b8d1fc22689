package memstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// recount checks that everything the Store keeps twice agrees, by counting all of it again,
// and that the limits are kept.
func recount(tb testing.TB, s *Store) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var pending, unfinished, finished, readyNow, readyOff, waiting, leased, outbox int
	var bytes int64
	closed := closedList{}
	stored := map[*endpoint]int{}
	open := map[*endpoint]int{}
	attempts := map[*endpoint]int{}
	bound := map[*version]int{}
	failed := 0

	replays := checkIndex(tb, &s.replays.byID)
	require.Equal(tb, replays, s.replays.ended+len(s.replays.open))
	require.LessOrEqual(tb, s.replays.ended, maxReplays)

	require.Len(tb, s.events, len(s.uids))
	require.Equal(tb, len(s.events), checkIndex(tb, &s.timeline))
	for k, ev := range s.events {
		require.Equal(tb, k, ev.eventKey())
		require.Same(tb, ev, s.uids[ev.UID])
		require.Same(tb, ev.tenant, s.tenants[ev.Tenant])
		require.True(tb, slices.IsSortedFunc(ev.deliveries, func(a, b *delivery) int { return strings.Compare(a.endpoint.ID, b.endpoint.ID) }))
		evBytes, evOpen, evAttempts := ev.size, 0, 0
		require.Equal(tb, eventBytes(&ev.EventRecord), ev.size)
		for _, d := range ev.deliveries {
			e := d.endpoint
			require.Same(tb, e, s.endpoints[e.key()])
			stored[e]++
			attempts[e] += len(d.attempts)
			evAttempts += len(d.attempts)
			last := int64(-1 << 63)
			for _, a := range d.attempts {
				require.Greater(tb, a.leaseNo, last, "attempts are by lease number")
				last = a.leaseNo
				if a.Class != "" {
					failed++
				}
				require.Equal(tb, attemptBytes(&a.Attempt), a.bytes)
				evBytes += a.bytes
			}
			if final(d.state) {
				finished++
				require.Equal(tb, nowhere, d.in)
				require.False(tb, d.leased)
				require.Nil(tb, d.made)
				continue
			}
			evOpen++
			open[e]++
			if d.made != nil {
				bound[d.made]++
				require.True(tb, e.tombstone || slices.Contains(e.versions, d.made), "a version that is needed was forgotten")
			}
			switch d.in {
			case inWaiting:
				waiting++
				require.False(tb, d.leased)
				require.Same(tb, d, s.waiting.items[d.slot.pos].node.of)
			case inLeased:
				leased++
				require.True(tb, d.leased)
				require.Same(tb, d, s.leased.items[d.slot.pos].node.of)
			case inReady:
				require.Same(tb, d, e.ready.items[d.slot.pos].node.of)
				if e.laneState == laneReady {
					readyNow++
				} else {
					readyOff++
				}
			case nowhere:
				tb.Fatalf("a pending delivery is nowhere")
			}
		}
		pending += evOpen
		unfinished += evOpen
		bytes += evBytes
		require.Equal(tb, evOpen, ev.open)
		require.Equal(tb, evBytes, ev.bytes)
		if ev.fanout {
			require.Equal(tb, evAttempts, checkIndex(tb, &ev.attempts))
		}
		if ev.unmade {
			outbox++
			require.Equal(tb, ev.begun, ev.isWide)
			if !ev.begun {
				unfinished++
			}
		} else if len(ev.deliveries) == 0 {
			finished++
		}
		require.Equal(tb, evOpen == 0 && !ev.unmade, ev.closed)
		if ev.closed {
			closed.rows += max(len(ev.deliveries), 1)
			closed.bytes += ev.bytes
		}
	}
	require.Equal(tb, []int{pending, unfinished, finished}, []int{s.pending, s.unfinished, s.finished}, "pending, unfinished, finished")
	require.Equal(tb, []int{readyNow, readyOff}, []int{s.readyNow, s.readyOff}, "ready")
	require.Equal(tb, []int{waiting, leased, outbox}, []int{checkHeap(tb, &s.waiting), checkHeap(tb, &s.leased), checkHeap(tb, &s.outbox) + checkHeap(tb, &s.wide)})
	require.Equal(tb, bytes, s.bytes, "bytes")
	require.Equal(tb, []any{closed.rows, closed.bytes}, []any{s.closed.rows, s.closed.bytes}, "closed")

	require.Equal(tb, failed, checkIndex(tb, &s.failed), "failed attempts")

	checkEndpoints(tb, s, stored, open, attempts, bound)

	require.LessOrEqual(tb, s.unfinished+s.finished, s.maxRows)
	if s.closed.events.First() != nil {
		require.LessOrEqual(tb, s.finished, s.maxFinished)
	}
	// Beyond MaxBytes there may be one attempt of each delivery, without a body.
	require.LessOrEqual(tb, s.bytes, s.maxBytes+int64(s.unfinished+s.finished)*(attemptOverhead+shortError))
}

func checkEndpoints(tb testing.TB, s *Store, stored, open, attempts map[*endpoint]int, bound map[*version]int) {
	tb.Helper()
	inRing, blocked, owned, subs := 0, 0, 0, 0
	for k, e := range s.endpoints {
		require.Equal(tb, k, e.key())
		require.Equal(tb, stored[e], checkIndex(tb, &e.deliveries))
		require.Equal(tb, attempts[e], checkIndex(tb, &e.attempts))
		require.Equal(tb, open[e], e.unfinished)
		checkHeap(tb, &e.ready)
		idle := 0
		for d := e.unleased.First(); d != nil; d = d.Next() {
			require.Contains(tb, []place{inReady, inWaiting}, d.in)
			idle++
		}
		held := 0
		for d := range e.deliveries.up(key{}) {
			if d.in == inLeased {
				held++
			}
		}
		require.Equal(tb, e.unfinished, idle+held, "those that nobody holds")
		require.Equal(tb, e.doomed, e.dead() && e.doomed)
		if e.dead() && e.unfinished > 0 {
			require.True(tb, e.doomed, "Prune does not know of deliveries that it has to cancel")
		}
		require.Equal(tb, micros(e.Health.BlockedUntil), e.blockedUntil)
		switch e.laneState {
		case laneEmpty:
			require.Zero(tb, e.ready.len())
		case laneReady:
			inRing++
			require.False(tb, e.isOff())
		case laneBlocked:
			blocked++
			require.Equal(tb, e.opensAt(), s.blocked.items[e.slot.pos].at)
		case laneOff:
			require.True(tb, e.isOff())
		}
		require.Equal(tb, e.laneState == laneEmpty, e.ready.len() == 0)
		if e.tombstone {
			require.NotZero(tb, e.deliveries.len(), "a deleted endpoint is kept for nothing")
			continue
		}
		owned++
		_, found := e.tenant.search(e.ID)
		require.True(tb, found)
		spare := 0
		for _, v := range e.versions {
			require.Equal(tb, bound[v], v.deliveries)
			if v.deliveries == 0 {
				spare++
			}
		}
		require.LessOrEqual(tb, spare, spareVersions+1)
		require.Equal(tb, e.Version, e.present().number)
		subs += len(slices.Compact(slices.Sorted(slices.Values(e.Events))))
	}
	for e := s.ring.First(); e != nil; e = e.Next() {
		inRing--
		if e.Next() != nil {
			require.LessOrEqual(tb, e.visited, e.Next().visited, "the ring is in the order of the last visits")
		}
	}
	require.Zero(tb, inRing)
	require.Equal(tb, blocked, checkHeap(tb, &s.blocked))
	doomed := 0
	for e := s.doomed.First(); e != nil; e = e.Next() {
		require.True(tb, e.doomed)
		doomed++
	}
	for _, e := range s.endpoints {
		if e.doomed {
			doomed--
		}
	}
	require.Zero(tb, doomed)

	events, owners := 0, 0
	for name, tn := range s.tenants {
		require.Equal(tb, name, tn.name)
		require.Positive(tb, len(tn.endpoints)+tn.events.len(), "a tenant is kept for nothing")
		events += checkIndex(tb, &tn.events)
		owned -= len(tn.endpoints)
		if len(tn.endpoints) > 0 {
			owners++
		}
	}
	require.Equal(tb, len(s.events), events)
	require.Zero(tb, owned)
	require.Len(tb, s.owners, owners)
	for sub, list := range s.subs {
		for _, e := range list {
			require.Equal(tb, e.State == webhook.EndpointDisabled, strings.HasPrefix(sub.pattern, muted))
		}
		require.NotEmpty(tb, list)
		subs -= len(list)
	}
	require.Zero(tb, subs)
}

// checkHeap checks the order of a heap, and returns how many elements it has.
func checkHeap[T any](tb testing.TB, h *heap[T]) int {
	tb.Helper()
	for i := range h.items {
		require.Equal(tb, i, h.items[i].node.pos)
		if i > 0 {
			require.False(tb, h.items[i].before(&h.items[(i-1)/2]))
		}
	}
	require.True(tb, cap(h.items) <= smallHeap || len(h.items) >= cap(h.items)/4-1, "%d of %d", len(h.items), cap(h.items))
	return len(h.items)
}

// checkIndex checks the order of an index, and returns how many elements it has.
func checkIndex[T any](tb testing.TB, x *index[T]) int {
	tb.Helper()
	n := 0
	var last *key
	for _, c := range x.chunks {
		require.NotEmpty(tb, c)
		require.LessOrEqual(tb, len(c), chunkSize)
		for i := range c {
			require.True(tb, last == nil || last.less(c[i].key))
			last = &c[i].key
			n++
		}
	}
	require.Equal(tb, x.n, n)
	return n
}
