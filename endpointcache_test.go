package webhook

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/pacing"
)

// known is an endpoint as the Store knows it, with a run of failures since some second.
func known(version int64, failures, since int) *Endpoint {
	e := &Endpoint{ID: "ep", Tenant: "acme", Version: version}
	if failures > 0 {
		e.Health = Health{Failures: failures, FailingSince: second(since), LastFailureAt: second(since + failures - 1)}
	}
	return e
}

func second(n int) time.Time { return time.Unix(1700000000+int64(n), 0) }

// The Store has counted failures before and after a success that is still on its way to it.
func TestARunOfFailuresEndsWithASuccessThatTheStoreDoesNotKnowOfYet(t *testing.T) {
	s := newEndpointCache(newStoreTime(nil, time.Now, nil).uptime, nil)
	n := s.put(known(1, 0, 0), 0)
	for at := range 3 {
		s.note(n, &Attempt{StartedAt: second(10 + at)}, false)
	}
	s.note(n, &Attempt{StartedAt: second(13)}, true)
	s.put(known(1, 3, 10), time.Second)
	assert.Zero(t, s.judged(n).Failures)
	s.note(n, &Attempt{StartedAt: second(14)}, false)
	s.put(known(1, 4, 10), 2*time.Second)
	assert.Equal(t, 1, s.judged(n).Failures)
	s.put(known(2, 4, 10), 3*time.Second)
	assert.Equal(t, 1, s.judged(n).Failures, "after a change of the endpoint")
	s.put(known(2, 1, 14), 4*time.Second)
	assert.Equal(t, 1, s.judged(n).Failures, "now it knows")
}

func TestFailuresOfAnotherProcessEndWithASuccessHere(t *testing.T) {
	s := newEndpointCache(newStoreTime(nil, time.Now, nil).uptime, nil)
	n := s.put(known(1, 3, 10), 0)
	assert.Equal(t, 3, s.judged(n).Failures)
	s.note(n, &Attempt{StartedAt: second(20)}, true)
	assert.Zero(t, s.judged(n).Failures)
	s.note(n, &Attempt{StartedAt: second(5)}, true) // requests do not end in the order in which they began
	assert.Zero(t, s.judged(n).Failures)
}

func TestCopiesOfEndpointsAgeWhileTheMachineIsSuspended(t *testing.T) {
	var suspended time.Duration
	clock := newStoreTime(localClock{}, time.Now, nil)
	clock.wall = func() time.Time { return time.Now().Round(0).Add(suspended) }
	s := newEndpointCache(clock.uptime, nil)
	require.NoError(t, clock.keepUp(t.Context()))
	n := s.put(known(1, 0, 0), clock.uptime())
	suspended = time.Minute
	require.NoError(t, clock.keepUp(t.Context()))
	assert.GreaterOrEqual(t, clock.uptime()-time.Duration(n.seen.Load()), time.Minute)
}

// A request that began before a success, and failed after it, is the first of a run that the
// success has not ended.
func TestASlowFailureIsNoReasonToForgetThoseAfterIt(t *testing.T) {
	s := newEndpointCache(newStoreTime(nil, time.Now, nil).uptime, nil)
	n := s.put(known(1, 0, 0), 0)
	s.note(n, &Attempt{StartedAt: second(12)}, true)
	s.note(n, &Attempt{StartedAt: second(10)}, false)
	for failures := 1; failures < 9; failures++ {
		s.put(known(1, failures, 10), time.Duration(failures)*time.Second)
		assert.Equal(t, failures, s.judged(n).Failures)
	}
}

func TestARefreshThatCannotReadOneEndpointFailsOnlyThat(t *testing.T) {
	good, bad := EndpointKey{"acme", "good"}, EndpointKey{"acme", "bad"}
	problem := errors.New("the row of bad is not readable")
	s := newEndpointCache(newStoreTime(nil, time.Now, nil).uptime, func(context.Context, []EndpointKey) ([]Endpoint, error) {
		return []Endpoint{{Tenant: good.Tenant, ID: good.ID, Version: 1}}, problem
	})
	n, err := s.fresh(t.Context(), good)
	require.NoError(t, err)
	require.NotNil(t, n)
	_, err = s.fresh(t.Context(), bad)
	require.ErrorIs(t, err, problem)
}

func TestAnEndpointThatNeverFailedHasNoWindow(t *testing.T) {
	var now time.Duration
	c := newEndpointCache(func() time.Duration { return now }, nil)
	c.window = 10 * time.Minute
	n := c.put(known(1, 0, 0), 0)
	note := func(succeeded bool) { c.note(n, &Attempt{StartedAt: second(0)}, succeeded) }
	note(true)
	assert.Nil(t, n.streak.recent)
	assert.Equal(t, pacing.Count{Attempts: 1, Failed: 1}, c.recent(n), "the failure that is judged")
	note(false)
	note(true)
	assert.Equal(t, pacing.Count{Attempts: 3, Failed: 2}, c.recent(n))
	now = 10 * time.Minute
	assert.Equal(t, pacing.Count{Attempts: 1, Failed: 1}, c.recent(n))
	note(true)
	assert.Nil(t, n.streak.recent, "no failure is left in it")
}
