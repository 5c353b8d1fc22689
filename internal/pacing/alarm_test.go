package pacing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// waited returns how long a wait took, in fake time.
func waited(t *testing.T, a *Alarm, most time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	a.Wait(t.Context(), most)
	return time.Since(began)
}

func TestAnAlarmRingsAtTheEarliestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarm(time.Now)
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		assert.Equal(t, time.Second, waited(t, a, time.Second), "nobody rang")

		a.RingAt(in(600 * time.Millisecond))
		a.RingAt(in(400 * time.Millisecond))
		a.RingAt(in(900 * time.Millisecond))
		assert.Equal(t, 400*time.Millisecond, waited(t, a, time.Second))
		assert.Zero(t, waited(t, a, time.Second), "the time has passed, and nobody looked for work")
		a.Silence(in(-time.Microsecond))
		assert.Zero(t, waited(t, a, time.Second), "the look was too early")
		a.Silence(time.Now())
		assert.Equal(t, time.Second, waited(t, a, time.Second))

		a.RingAt(in(2 * time.Second))
		assert.Equal(t, time.Second, waited(t, a, time.Second), "it is later than the poll")
		a.Silence(time.Now())
		assert.Equal(t, time.Second, waited(t, a, 5*time.Second), "a look before the time leaves it")
	})
}

func TestARingEndsThePresentWaitOrTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarm(time.Now)
		a.Ring()
		a.Ring()
		a.Silence(time.Now())
		assert.Zero(t, waited(t, a, time.Second), "the next")
		assert.Equal(t, time.Second, waited(t, a, time.Second), "only the next")

		time.AfterFunc(300*time.Millisecond, a.Ring)
		assert.Equal(t, 300*time.Millisecond, waited(t, a, time.Second), "the present one")

		time.AfterFunc(300*time.Millisecond, func() { a.RingAt(time.Now().Add(200 * time.Millisecond)) })
		assert.Equal(t, 500*time.Millisecond, waited(t, a, time.Second), "it became shorter")
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	NewAlarm(time.Now).Wait(ctx, time.Hour)
}
