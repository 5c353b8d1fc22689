package webhook

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// waited returns how long a wait took, in fake time.
func waited(t *testing.T, a *alarm, most time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	a.wait(t.Context(), most)
	return time.Since(began)
}

func TestAnAlarmRingsAtTheEarliestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarm(time.Now)
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		assert.Equal(t, time.Second, waited(t, a, time.Second), "nobody rang")

		a.ringAt(in(600 * time.Millisecond))
		a.ringAt(in(400 * time.Millisecond))
		a.ringAt(in(900 * time.Millisecond))
		assert.Equal(t, 400*time.Millisecond, waited(t, a, time.Second))
		assert.Zero(t, waited(t, a, time.Second), "the time has passed, and nobody looked for work")
		a.silence(in(-time.Microsecond))
		assert.Zero(t, waited(t, a, time.Second), "the look was too early")
		a.silence(time.Now())
		assert.Equal(t, time.Second, waited(t, a, time.Second))

		a.ringAt(in(2 * time.Second))
		assert.Equal(t, time.Second, waited(t, a, time.Second), "it is later than the poll")
		a.silence(time.Now())
		assert.Equal(t, time.Second, waited(t, a, 5*time.Second), "a look before the time leaves it")
	})
}

func TestARingEndsThePresentWaitOrTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarm(time.Now)
		a.ring()
		a.ring()
		a.silence(time.Now())
		assert.Zero(t, waited(t, a, time.Second), "the next")
		assert.Equal(t, time.Second, waited(t, a, time.Second), "only the next")

		time.AfterFunc(300*time.Millisecond, a.ring)
		assert.Equal(t, 300*time.Millisecond, waited(t, a, time.Second), "the present one")

		time.AfterFunc(300*time.Millisecond, func() { a.ringAt(time.Now().Add(200 * time.Millisecond)) })
		assert.Equal(t, 500*time.Millisecond, waited(t, a, time.Second), "it became shorter")
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	newAlarm(time.Now).wait(ctx, time.Hour)
}

func TestAHoldEndsWhenItsTimeIsOver(t *testing.T) {
	var h holds
	now := time.Now()
	a, b := EndpointKey{"acme", "a"}, EndpointKey{"acme", "b"}
	h.add(a, now.Add(time.Second))
	h.add(b, now.Add(time.Second))
	h.add(b, now.Add(2*time.Second))
	ended := func(at time.Duration) (keys []EndpointKey) {
		h.end(now.Add(at), func(key EndpointKey) { keys = append(keys, key) })
		return keys
	}
	assert.Empty(t, ended(time.Second-1))
	assert.Equal(t, []EndpointKey{a}, ended(time.Second))
	assert.Equal(t, []EndpointKey{b}, ended(2*time.Second))
	assert.Empty(t, ended(time.Hour))
}
