package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// The time of a claim depends neither on deliveries that it passes over nor on finished ones.
func TestSoakClaimTakesAsLongBesideMillionsOfRows(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := newSoaker(t, d, soakHealthy+2)
		s.ready()
		s.f.analyze()
		baseline := median(t, s.giveBack, s.claimFull)
		note(t, "claim 100 of 10,000 ready", baseline)

		s.dead(1_000_000)
		s.f.analyze()
		within(t, "claim 100 beside 1,000,000 behind a blocked endpoint", baseline, s.giveBack, s.claimFull)

		s.paused(100_000)
		within(t, "claim 100 beside 100,000 more behind a paused endpoint", baseline, s.giveBack, s.claimFull)

		rows := soakRows(t)
		s.finished(rows)
		s.f.analyze()
		within(t, fmt.Sprintf("claim 100 beside %d finished", rows), baseline, s.giveBack, s.claimFull)
	})
}

// ready makes 100 deliveries ready of each healthy endpoint, with their events.
func (s *soaker) ready() {
	s.Helper()
	const count = soakHealthy * 100
	ms := fmt.Sprintf("%d + k.n", s.now.Add(-time.Hour).UnixMilli())
	s.f.events(count, 0, ms, "k.n", "k.n % 100")
	s.f.insert(count, "queue "+soakQueue, fmt.Sprintf("%s, e.id, e.ref, e.ref, %d + k.n, 0, 0, 0, 1, 0, 0, 0, %d, 11, 0, ''",
		s.f.uid(ms, "k.n"), s.now.Add(-time.Hour).UnixMicro(), s.now.UnixMicro()), "JOIN filled e ON e.n = k.n % 100 WHERE")
}

// giveBack makes the claimed deliveries ready again.
func (s *soaker) giveBack() {
	s.Helper()
	s.f.exec(fmt.Sprintf("UPDATE webhook_queue SET lane = ref, leased_until = 0, due_at = %d WHERE leased_until > 0",
		s.now.Add(-time.Hour).UnixMicro()))
}

// finished makes deliveries that have succeeded, with an attempt each. They need no events.
func (s *soaker) finished(count int) {
	s.Helper()
	ms := s.now.Add(-20 * day).UnixMilli()
	uid, ref := s.f.uid(fmt.Sprintf("%d + k.n", ms), "k.n"), s.f.uuid(refOf(keyOf(0, 1)))
	s.load(count, "deliveries", soakEnded, fmt.Sprintf("%s, 'ep_0', %s, 1, 'succeeded', '', 1, 1, 1, 0, 0, %d", uid, ref, ms*1000))
	s.load(count, "attempts", soakLog, fmt.Sprintf("%s, 'ep_0', 1, %s, %d + k.n, 5000, 200, '', '', 0, 0, 0, 0, 0", uid, ref, ms*1000))
}

// waiting makes deliveries of one endpoint ready. They are never leased, so they need no events.
func (s *soaker) waiting(endpoint, count int) {
	s.Helper()
	key := keyOf(endpoint, 1)
	ref := s.f.uuid(refOf(key))
	ms := fmt.Sprintf("%d + k.n", s.now.Add(-2*time.Hour).UnixMilli())
	s.load(count, "queue", soakQueue, fmt.Sprintf("%s, '%s', %s, %s, %d + k.n, 0, 0, 0, 1, 0, 0, 0, %d, 11, 0, ''",
		s.f.uid(ms, "k.n"), key.ID, ref, ref, s.now.Add(-2*time.Hour).UnixMicro(), s.now.UnixMicro()))
}

func (s *soaker) dead(count int) {
	s.Helper()
	s.waiting(soakDead, count)
	s.f.exec(fmt.Sprintf("UPDATE webhook_status SET blocked_until = %d WHERE id = '%s'", s.now.Add(day).UnixMicro(), keyOf(soakDead, 1).ID))
}

func (s *soaker) paused(count int) {
	s.Helper()
	s.waiting(soakPaused, count)
	s.f.exec(fmt.Sprintf("UPDATE webhook_status SET state = 'paused' WHERE id = '%s'", keyOf(soakPaused, 1).ID))
}

// A claim that finds nothing due costs one look, however many retries wait in the future.
func TestSoakAnEmptyClaimTakesAMillisecond(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		const endpoints, retries = 10_000, 10
		s := newSoaker(t, d, endpoints)
		ms := fmt.Sprintf("%d + k.n", s.now.Add(-time.Hour).UnixMilli())
		s.f.insert(endpoints*retries, "queue "+soakQueue, fmt.Sprintf("%s, e.id, e.ref, %s, %d + k.n, 1, 0, 1, 1, 1, 1, 0, %d, 11, 0, ''",
			s.f.uid(ms, "k.n"), s.f.uuid(uuid.UUID{}), s.now.Add(time.Hour).UnixMicro(), s.now.UnixMicro()),
			"JOIN filled e ON e.n = k.n % 10000 WHERE")
		s.f.analyze()
		took := median(t, func() {}, func() {
			claimed := s.claim()
			require.Empty(t, claimed.Deliveries)
			require.Empty(t, claimed.Next)
		})
		note(t, "empty claim, 10,000 endpoints with 100,000 future retries", took)
		assert.LessOrEqual(t, took, time.Millisecond)
	})
}

// Deleting an endpoint does not wait for its pending deliveries. Prune cancels them piece by
// piece.
func TestSoakDeletingAnEndpointLeavesItsDeliveriesToPrune(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		const pending, pieces = 1_000_000, 300
		s := newSoaker(t, d, soakHealthy+2)
		s.waiting(soakDead, pending)
		s.f.analyze()
		remove := func(endpoint int) time.Duration {
			begin := time.Now()
			require.NoError(t, s.s.DeleteEndpoint(t.Context(), keyOf(endpoint, 1), 0, s.now))
			return time.Since(begin)
		}
		var idle []time.Duration
		for n := range soakRuns {
			idle = append(idle, remove(n))
		}
		note(t, "delete an endpoint with nothing pending", middle(idle))
		took := remove(soakDead)
		note(t, "delete an endpoint with 1,000,000 pending", took)
		assert.LessOrEqual(t, took, 2*middle(idle)+100*time.Millisecond) // it is done once, so the machine may have been busy

		var times []time.Duration
		for range pieces {
			begin := time.Now()
			more, err := s.s.Prune(t.Context(), s.now, webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: -1})
			require.NoError(t, err)
			require.True(t, more)
			times = append(times, time.Since(begin))
		}
		var left int
		require.NoError(t, s.s.DB().QueryRowContext(t.Context(), "SELECT count(*) FROM webhook_queue").Scan(&left))
		canceled := pending - left
		assert.Equal(t, pieces*1000, canceled)
		first, last := middle(times[:50]), middle(times[pieces-50:])
		note(t, "cancel a piece of 1,000, the first 50", first)
		note(t, "cancel a piece of 1,000, after 250", last)
		assert.LessOrEqual(t, last, 3*first+20*time.Millisecond, "pieces take longer and longer")
	})
}
