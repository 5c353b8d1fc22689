package webhook

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARateAllowsABurstAndThenOneForEachInterval(t *testing.T) {
	var r rates
	now := time.Unix(1_000_000, 0)
	call := toll{rateKey{"test", EndpointKey{"a", "1"}}, rate{10, 5 * time.Second}, 1}
	for range 10 {
		require.NoError(t, r.pay(now, call))
	}
	for range 2 { // a refused call counts nothing
		e, ok := errors.AsType[*RateError](r.pay(now, call))
		require.True(t, ok)
		assert.Equal(t, 5*time.Second, e.Wait)
	}
	other := call
	other.key.endpoint.ID = "2"
	require.NoError(t, r.pay(now, other))
	require.Error(t, r.pay(now.Add(5*time.Second-1), call))
	require.NoError(t, r.pay(now.Add(5*time.Second), call))
	require.Error(t, r.pay(now.Add(5*time.Second), call))
	for range 10 {
		require.NoError(t, r.pay(now.Add(time.Hour), call))
	}
	require.Error(t, r.pay(now.Add(time.Hour), call))
}

func TestACallThatOneOfTwoRatesRefusesCountsForNeither(t *testing.T) {
	var r rates
	now := time.Unix(1_000_000, 0)
	narrow := toll{rateKey{"test", EndpointKey{"a", "1"}}, rate{1, time.Minute}, 1}
	wide := toll{rateKey{"test", EndpointKey{Tenant: "a"}}, rate{3, time.Minute}, 1}
	require.NoError(t, r.pay(now, narrow, wide))
	for range 5 {
		require.Error(t, r.pay(now, narrow, wide))
	}
	require.NoError(t, r.pay(now, wide))
	require.NoError(t, r.pay(now, wide))
	require.Error(t, r.pay(now, wide))
}

func TestRatesAreCountedInBoundedMemory(t *testing.T) {
	var r rates
	now := time.Unix(1_000_000, 0)
	call := func(i int, at time.Time) {
		require.NoError(t, r.pay(at, toll{rateKey{"test", EndpointKey{"a", fmt.Sprint(i)}}, testsOfEndpoint, 1}))
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
