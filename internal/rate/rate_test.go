package rate

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

const now = int64(1_800_000_000_000_000)

func TestAPauseAllowsTheBurstAndThenOneRequestEachInterval(t *testing.T) {
	l := Of(2, 3)
	assert.Equal(t, 3, l.Allowed(0, now))
	next := l.Take(0, now, 3)
	assert.Equal(t, now+second/2, next)
	assert.Equal(t, 0, l.Allowed(next, next-1))
	assert.Equal(t, 1, l.Allowed(next, next))
	assert.Equal(t, 1, l.Allowed(next, next+second/2-1))
	assert.Equal(t, 2, l.Allowed(next, next+second/2))
	assert.Equal(t, 3, l.Allowed(next, next+second))
	assert.Equal(t, 3, l.Allowed(next, next+100*second), "no more than the burst, after any time")
	assert.Equal(t, next+second/2, l.Take(next, next, 1))
	assert.Equal(t, next+second, l.Take(next, next+second/2, 2), "the burst counts from the requests, not from the claims")
}

func TestEachRateAllowsAsMuchAsItSays(t *testing.T) {
	for _, perSecond := range []float64{0.001, 0.016667, 0.3, 1, 3, 7, 10, 123.456789, 9999.999999, 10_000} {
		for _, burst := range []int{0, 1, 2, 100, 10_000} {
			for _, late := range []int64{0, 1, 777} {
				t.Run(fmt.Sprint(perSecond, burst, late), func(t *testing.T) {
					l := Of(perSecond, burst)
					assert.InDelta(t, perSecond, l.PerSecond(), 1e-9)
					span := int64(1000 / perSecond * second) // of a thousand requests
					taken, next, at := 0, int64(0), now
					for at < now+span {
						n := l.Allowed(next, at)
						if n > 3 {
							n -= n / 3 // not always all of them
						}
						taken += n
						next = l.Take(next, at, n)
						at = max(next, at) + late
					}
					most := int(l.burst()) + 1000
					assert.LessOrEqual(t, taken, most)
					if late == 0 {
						// Each request waits for less than a microsecond too long.
						lost := 2 + 1000*perSecond/second
						assert.GreaterOrEqual(t, float64(taken), float64(most)-lost)
					}
				})
			}
		}
	}
}

func TestTheDefaultBurstIsAFifthOfASecondAndAtLeastOne(t *testing.T) {
	for perSecond, want := range map[float64]int{0.001: 1, 1: 1, 5: 1, 5.5: 2, 10: 2, 100: 20, 10_000: 2000} {
		assert.Equal(t, want, Of(perSecond, 0).Allowed(0, now), "%v a second", perSecond)
	}
}

// After a step back of the clock, the time of the next request is in the future. It comes at most
// one interval after the clock is there again.
func TestAStepBackHoldsForNoLongerThanTheStep(t *testing.T) {
	const step = 3600 * second
	l := Of(0.5, 4)
	next := l.Take(0, now, 4)
	assert.Equal(t, 0, l.Allowed(next, now-step))
	assert.LessOrEqual(t, next-(now-step), step+4*2*int64(second))
}

func TestAClaimIsWorthwhileForATenthOfASecondOrHalfTheBurst(t *testing.T) {
	for _, c := range []struct {
		perSecond float64
		burst     int
		wait      int64
	}{
		{0.001, 1, 0}, {1, 100, 0}, {10, 0, 0}, {100, 100, 90_000}, {100, 0, 90_000}, {100, 10, 40_000}, {100, 2, 0}, {10_000, 0, 99_900},
	} {
		l := Of(c.perSecond, c.burst)
		assert.Equal(t, now+c.wait, l.Worthwhile(now), "%v a second, burst %d", c.perSecond, c.burst)
	}
	assert.Equal(t, now, Limit{}.Worthwhile(now))
}
