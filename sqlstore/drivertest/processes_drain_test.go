package drivertest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// held keeps the requests of a worker waiting until release, or their sender hangs up. The
// others are answered.
func (f *fleet) held(name string) (release func()) {
	released := make(chan struct{})
	f.receiver.setAnswer(func(ctx context.Context, r received) int {
		if r.worker != name {
			return http.StatusOK
		}
		select {
		case <-released:
			return http.StatusOK
		case <-ctx.Done():
			return 0
		}
	})
	return func() { close(released) }
}

// takeAll lets a worker emit events and take their deliveries: some are on the wire, and the
// others wait in its memory. It returns the events, and how many requests are held.
func (f *fleet) takeAll(w *fleetWorker, events int) (acknowledged []string, waiting int) {
	f.t.Helper()
	const probe = 2 // requests to an endpoint that has not answered yet
	all, onWire := events*len(f.endpoints), probe*len(f.endpoints)
	w.emit("", events)
	f.eventually("the worker has everything", func() bool {
		stats, err := f.dispatcher.Stats(f.t.Context())
		return err == nil && stats.InFlight == all && stats.Pending == all && len(w.acknowledged()) == events &&
			f.receiver.count(func(r received) bool { return r.worker == w.name }) == onWire
	})
	return w.acknowledged(), onWire
}

// leisurely settings let nothing happen by the passing of time.
func leisurely(drain time.Duration) fleetSettings {
	return fleetSettings{
		Timeout: 4 * time.Minute, Lease: 10 * time.Minute, Drain: drain, Retries: manyRetries(time.Second), InFlight: 32,
	}
}

func TestAProcessThatEndsGivesBackWhatItHasNotBegun(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	atOnce(t, databases, func(t *testing.T, d database) {
		began := time.Now()
		f := newFleet(t, d, d.dsn(t), leisurely(4*time.Minute), 3)
		first, release := f.startUp("first", 0), f.held("first")
		acknowledged, onWire := f.takeAll(first, 6)
		second := f.startUp("second", 0)
		first.terminate()
		all := len(acknowledged) * len(f.endpoints)
		f.eventually("the other process delivers them", func() bool { return f.receiver.succeeded() == all-onWire })
		release()
		assert.Empty(t, first.end(), "requests in flight end by themselves")
		f.settled(acknowledged)
		second.terminate()
		require.Empty(t, second.end())
		a := f.check()
		assert.Equal(t, all, a.requests, "nothing is repeated")
		f.log(a, len(acknowledged), 0, began)
	})
}

func TestAProcessThatIsNotGivenTimeToEndGivesBackWhatItCuts(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	atOnce(t, databases, func(t *testing.T, d database) {
		began := time.Now()
		f := newFleet(t, d, d.dsn(t), leisurely(100*time.Millisecond), 3)
		first := f.startUp("first", 0)
		f.held("first")
		acknowledged, onWire := f.takeAll(first, 6)
		second := f.startUp("second", 0)
		first.terminate()
		first.mayLose()
		assert.Regexp(t, `^webhook: run: 6 requests were cut .*, and 0 results could not be stored`, first.end())
		f.settled(acknowledged)
		second.terminate()
		require.Empty(t, second.end())
		a := f.check()
		assert.Equal(t, onWire, a.unlogged)
		assert.Equal(t, a.deliveries+onWire, a.requests, "requests that were cut are repeated, and no others")
		assert.Zero(t, a.repeats)
		f.log(a, len(acknowledged), 0, began)
	})
}
