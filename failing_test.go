package webhook

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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

func TestTheLogSaysWhenAnEndpointFailsAndRecovers(t *testing.T) {
	var said strings.Builder
	d := &Dispatcher{config: Config{Logger: slog.New(slog.NewTextHandler(&said, nil))}}
	for _, failures := range []int{1, 4, 5, 6, 0, 0} {
		d.logHealth(&EndpointStatus{Key: EndpointKey{"acme", "ep1"}, Health: Health{
			Failures: failures, FailingSince: time.Unix(100, 0).UTC(), RecoveredAt: time.Unix(200, 0).UTC(),
		}})
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	require.Len(t, lines, 2, said.String())
	assert.Contains(t, lines[0], `level=WARN msg="webhook: an endpoint is failing" tenant=acme endpoint=ep1 failures=5 since=1970-01-01T00:01:40.000Z`)
	assert.Contains(t, lines[1], `level=INFO msg="webhook: an endpoint has recovered" tenant=acme endpoint=ep1 at=1970-01-01T00:03:20.000Z`)
}
