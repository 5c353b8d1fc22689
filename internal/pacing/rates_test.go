package pacing

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARateAllowsABurstAndThenOneForEachInterval(t *testing.T) {
	var r Rates[string]
	now := time.Unix(1_000_000, 0)
	call := Toll[string]{"a/1", Rate{10, 5 * time.Second}, 1}
	for range 10 {
		require.Zero(t, r.Pay(now, call))
	}
	for range 2 { // a refused call counts nothing
		assert.Equal(t, 5*time.Second, r.Pay(now, call))
	}
	other := call
	other.Key = "a/2"
	require.Zero(t, r.Pay(now, other))
	require.Positive(t, r.Pay(now.Add(5*time.Second-1), call))
	require.Zero(t, r.Pay(now.Add(5*time.Second), call))
	require.Positive(t, r.Pay(now.Add(5*time.Second), call))
	for range 10 {
		require.Zero(t, r.Pay(now.Add(time.Hour), call))
	}
	require.Positive(t, r.Pay(now.Add(time.Hour), call))
}

func TestACallThatOneOfTwoRatesRefusesCountsForNeither(t *testing.T) {
	var r Rates[string]
	now := time.Unix(1_000_000, 0)
	narrow := Toll[string]{"a/1", Rate{1, time.Minute}, 1}
	wide := Toll[string]{"a", Rate{3, time.Minute}, 1}
	require.Zero(t, r.Pay(now, narrow, wide))
	for range 5 {
		require.Positive(t, r.Pay(now, narrow, wide))
	}
	require.Zero(t, r.Pay(now, wide))
	require.Zero(t, r.Pay(now, wide))
	require.Positive(t, r.Pay(now, wide))
}

func TestRatesAreCountedInBoundedMemory(t *testing.T) {
	var r Rates[string]
	now := time.Unix(1_000_000, 0)
	call := func(i int, at time.Time) {
		require.Zero(t, r.Pay(at, Toll[string]{fmt.Sprint(i), Rate{10, 5 * time.Second}, 1}))
	}
	for i := range maxRates + 1000 {
		call(i, now)
	}
	assert.Len(t, r.empty, maxRates)
	for range maxRates {
		call(0, now.Add(time.Hour))
		now = now.Add(time.Minute)
	}
	assert.Len(t, r.empty, 1, "an empty entry is forgotten")
}
