package webhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnEndpointBeginsAndStopsFailingOnce(t *testing.T) {
	var s failingSet
	key, recovered := EndpointKey{"acme", "ep1"}, time.Unix(1, 0)
	status := func(failures int) failingChange {
		return s.note(&EndpointStatus{Key: key, Health: Health{Failures: failures, RecoveredAt: recovered}})
	}
	for _, step := range []struct {
		failures int
		want     failingChange
	}{
		{0, failingSame},
		{1, failingSame},
		{failingAfter - 1, failingSame},
		{0, failingSame},
		{failingAfter, failingBegan},
		{failingAfter + 1, failingSame},
		{2, failingSame}, // another process saw a success between
		{failingAfter, failingSame},
		{0, failingEnded},
		{0, failingSame},
		{failingAfter + 7, failingBegan},
	} {
		require.Equal(t, step.want, status(step.failures), "%+v", step)
	}
	recovered = time.Time{}
	require.Equal(t, failingSame, status(0), "its Health was cleared")
	require.Equal(t, failingBegan, status(failingAfter))
}

func TestFailingEndpointsTakeBoundedMemory(t *testing.T) {
	var s failingSet
	for i := range maxFailing + 100 {
		got := s.note(&EndpointStatus{Key: EndpointKey{"acme", fmt.Sprint(i)}, Health: Health{Failures: failingAfter}})
		require.Equal(t, failingBegan, got)
		require.LessOrEqual(t, len(s.has), maxFailing)
	}
}
