package drivertest

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAProcessThatWasSuspendedPastItsLeaseChangesNothing suspends a process while some of its
// requests are on the wire and others wait in its memory. When it goes on, another process has
// finished most of the deliveries, and is sending the deliveries of one endpoint. The requests
// on the wire are answered meanwhile, so they may succeed twice. No others are sent twice.
func TestAProcessThatWasSuspendedPastItsLeaseChangesNothing(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	atOnce(t, databases, func(t *testing.T, d database) {
		began := time.Now()
		f := newFleet(t, d, d.dsn(t), fleetSettings{
			Timeout: 20 * time.Second, Lease: 40 * time.Second, Drain: 20 * time.Second,
			Retries: manyRetries(300 * time.Millisecond), InFlight: 32,
		}, 3)
		busy := f.endpoints[2]
		releaseFirst, releaseSecond := f.heldBoth(busy)
		first := f.startUp("first", 0)
		acknowledged, onWire := f.takeAll(first, 6)
		first.suspend()
		second := f.startUp("second", 0)
		f.eventually("the other process takes over", func() bool {
			return f.receiver.have(acknowledged, f.endpoints[:2]) &&
				f.receiver.count(func(r received) bool { return r.worker == "second" && r.endpoint == busy }) == onWire/3
		})
		t.Logf("the other process has taken over after %.1f s", time.Since(began).Seconds())
		releaseFirst()
		f.eventually("the requests of the suspended one are answered", func() bool {
			return f.receiver.count(func(r received) bool { return r.worker == "first" && r.succeeded() }) == onWire
		})
		f.eventually("the results of the other are stored", func() bool {
			stats, err := f.dispatcher.Stats(t.Context())
			return err == nil && stats.Pending == len(acknowledged)
		})
		before, sent := f.deliveries(), len(f.receiver.requests())

		first.resume()
		f.eventually("its results are logged", func() bool { return f.late() == onWire })
		assert.Equal(t, before, f.deliveries())
		assert.Equal(t, sent, len(f.receiver.requests())) //nolint:testifylint // not all of them on a failure
		releaseSecond()
		first.emit("kind.again", 1)
		f.eventually("it goes on", func() bool { return len(first.acknowledged()) == len(acknowledged)+1 })
		acknowledged = first.acknowledged()
		f.settled(acknowledged)
		for _, w := range []*fleetWorker{first, second} {
			w.terminate()
			require.Empty(t, w.end())
		}
		a := f.check()
		assert.Equal(t, onWire, a.late)
		assert.Equal(t, onWire, a.repeats)
		assert.Equal(t, a.deliveries+onWire, a.requests, "only requests that were on the wire are sent twice")
		f.log(a, len(acknowledged), 0, began)
	})
}

// heldBoth keeps the requests of the first worker waiting, and the requests of the second to
// one endpoint.
func (f *fleet) heldBoth(busy string) (releaseFirst, releaseSecond func()) {
	first, second := make(chan struct{}), make(chan struct{})
	var over atomic.Bool
	f.receiver.setAnswer(func(ctx context.Context, r received) int {
		gate := first
		switch {
		case over.Load(), r.worker == "second" && r.endpoint != busy:
			return http.StatusOK
		case r.worker == "second":
			gate = second
		}
		select {
		case <-gate:
			return http.StatusOK
		case <-ctx.Done():
			return 0
		}
	})
	return func() { close(first) }, func() { over.Store(true); close(second) }
}

// late counts the attempts that were logged without effect.
func (f *fleet) late() (n int) {
	for _, attempts := range f.attempts() {
		for _, one := range attempts {
			if one.Late {
				n++
			}
		}
	}
	return n
}
