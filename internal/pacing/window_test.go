package pacing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAWindowForgetsWhatIsOlder(t *testing.T) {
	w := NewWindow(10 * time.Minute)
	for _, step := range []struct {
		at        time.Duration
		succeeded bool
		want      Count
	}{
		{0, false, Count{1, 1}},
		{30 * time.Second, true, Count{2, 1}},
		{9 * time.Minute, false, Count{3, 2}},
		{10*time.Minute - 1, false, Count{4, 3}},
		{10 * time.Minute, false, Count{3, 3}},  // without the first minute
		{5 * time.Minute, false, Count{4, 4}},   // a clock that went back
		{19*time.Minute - 1, true, Count{5, 4}}, // all but the last are of its ninth minute and later
		{19 * time.Minute, true, Count{4, 2}},   // without the tenth minute
		{200 * time.Minute, false, Count{1, 1}}, // after a long time
		{1 << 62, true, Count{1, 0}},
		{-1, true, Count{2, 0}},
	} {
		if step.succeeded {
			w.Succeeded(step.at)
		} else {
			w.Failed(step.at)
		}
		require.Equal(t, step.want, w.Count(step.at), "%v", step.at)
	}
	assert.Equal(t, Count{}, w.Count(1<<62+10*time.Minute))
}

func TestTheShareOfFailuresIsExact(t *testing.T) {
	for _, c := range []struct {
		r    Count
		want float64
	}{
		{Count{}, 0}, {Count{1, 1}, 100}, {Count{20, 19}, 95}, {Count{1000, 949}, 94.9},
	} {
		assert.InDelta(t, c.want, c.r.Percent(), 1e-9)
	}
}
