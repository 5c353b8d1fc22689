package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// soakHeld is how many endpoints are held, each with a due delivery.
const soakHeld = 100_000

// A claim that finds nothing due costs one look, however many endpoints are held.
func TestSoakAnEmptyClaimBesideManyHeldEndpointsTakesAFewMilliseconds(t *testing.T) {
	soak(t)
	each(t, func(t *testing.T, d database) {
		for _, held := range []struct{ name, set string }{
			{"paused", paused}, {"blocked", blocked(time.Now().Add(day))}, {"rated", beyondRate(time.Now().Add(day))},
		} {
			s := newSoaker(t, d, 0)
			s.f.held(soakHeld, held.set)
			s.f.analyze()
			begin, claims, longest := time.Now(), 0, time.Duration(0)
			for cursor := ""; cursor != "" || claims == 0; claims++ {
				began := time.Now()
				c, err := s.s.Claim(t.Context(), webhook.ClaimRequest{
					Now: s.now, LeaseUntil: s.now.Add(time.Hour), Max: 100, MaxBytes: 1 << 24, Room: 8, Cursor: cursor,
				})
				longest = max(longest, time.Since(began))
				require.NoError(t, err)
				require.Empty(t, c.Deliveries)
				cursor = c.Next
			}
			note(t, fmt.Sprintf("park 100,000 %s endpoints, %d claims", held.name, claims), time.Since(begin))
			note(t, "the longest of these claims", longest)

			took := median(t, func() {}, func() {
				c := s.claim()
				require.Empty(t, c.Deliveries)
				require.Empty(t, c.Next)
			})
			note(t, fmt.Sprintf("empty claim beside 100,000 %s endpoints", held.name), took)
			assert.LessOrEqual(t, took, 5*time.Millisecond)
			s.pruneBesideHeld(held.name)
		}
	})
}

// pruneBesideHeld measures a round of Prune, and that another process leaves it to the first.
func (s *soaker) pruneBesideHeld(held string) {
	s.Helper()
	begin, calls, longest := time.Now(), 0, time.Duration(0)
	for more := true; more; calls++ {
		var err error
		began := time.Now()
		more, err = s.s.Prune(s.Context(), s.now, forEver)
		longest = max(longest, time.Since(began))
		require.NoError(s, err)
	}
	note(s.T, fmt.Sprintf("a round of Prune beside 100,000 %s endpoints, %d calls", held, calls), time.Since(begin))
	note(s.T, "the longest of these calls", longest)

	other := s.d.again(s.T, s.s, s.dsn)
	took := median(s.T, func() {}, func() {
		more, err := other.Prune(s.Context(), s.now.Add(time.Minute), forEver)
		require.NoError(s, err)
		require.False(s, more)
	})
	note(s.T, "Prune of another process within the minute", took)
	assert.LessOrEqual(s, took, 20*time.Millisecond, "on SQLite it lets others have the file first, for 5 ms")
}
