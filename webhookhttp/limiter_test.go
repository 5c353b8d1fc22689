package webhookhttp

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestANameMayActSoOftenAMinute(t *testing.T) {
	l, now := newLimiter(10), time.Unix(1700000000, 0)
	for range 10 {
		require.Zero(t, l.take("a", now))
	}
	assert.Equal(t, 6*time.Second, l.take("a", now))
	assert.Equal(t, 6*time.Second, l.take("a", now), "to be refused costs nothing")
	assert.Zero(t, l.take("b", now), "others are not held up")
	assert.Equal(t, time.Nanosecond, l.take("a", now.Add(6*time.Second-time.Nanosecond)))
	assert.Zero(t, l.take("a", now.Add(6*time.Second)))
	assert.NotZero(t, l.take("a", now.Add(6*time.Second)))
	for range 10 {
		require.Zero(t, l.take("a", now.Add(66*time.Second)))
	}
	assert.NotZero(t, l.take("a", now.Add(66*time.Second)))
}

func TestALimiterRemembersSoManyNames(t *testing.T) {
	l, now := newLimiter(10), time.Unix(1700000000, 0)
	for i := range maxLimited {
		require.Zero(t, l.take(fmt.Sprint(i), now))
	}
	require.Len(t, l.free, maxLimited)
	require.Zero(t, l.take("more", now))
	assert.Len(t, l.free, maxLimited)
	require.Zero(t, l.take("and more", now.Add(time.Minute)))
	assert.Len(t, l.free, 1, "those that have rested are forgotten first")
}

func TestAFullLimiterLooksAtAllItsNamesOnceAMinute(t *testing.T) {
	l, now := newLimiter(10), time.Unix(1700000000, 0)
	for i := range maxLimited {
		require.Zero(t, l.take(fmt.Sprint(i), now))
	}
	require.Zero(t, l.take("one more", now))
	looked := l.forgot
	for i := range 1000 {
		require.Zero(t, l.take(fmt.Sprint("more-", i), now.Add(time.Duration(i)*time.Millisecond)))
		require.Equal(t, looked, l.forgot)
		require.Len(t, l.free, maxLimited)
	}
	require.Zero(t, l.take("later", now.Add(time.Minute)))
	assert.NotEqual(t, looked, l.forgot)
}

func TestAskingHowLongToWaitRemembersNothing(t *testing.T) {
	l, now := newLimiter(1), time.Unix(1700000000, 0)
	assert.Zero(t, l.wait("a", now))
	assert.Zero(t, l.wait("a", now))
	assert.Empty(t, l.free)
	assert.Zero(t, l.take("a", now))
	assert.Equal(t, time.Minute, l.wait("a", now))
	assert.Equal(t, time.Minute, l.take("a", now))
}
