package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAProcessThatWasSuspendedPastItsLeaseChangesNothing suspends a process while some of its requests are on the wire and others wait
// in its memory. What is on the wire is answered while it is suspended, so it may succeed twice; nothing else is sent twice.
func TestAProcessThatWasSuspendedPastItsLeaseChangesNothing(t *testing.T) {
	t.Parallel()
	atOnce(t, databases, func(t *testing.T, d database) {
		began := time.Now()
		s := shortLeases(manyRetries(300 * time.Millisecond)...)
		s.Timeout, s.Lease = 10*time.Second, 30*time.Second
		f := newFleet(t, d, d.dsn(t), s, 3)
		first, release := f.startUp("first", 0), f.held("first")
		acknowledged, onWire := f.takeAll(first, 6)
		first.suspend()
		second := f.startUp("second", 0)
		f.settled(acknowledged)
		t.Logf("the other process has taken over after %.1f s", time.Since(began).Seconds())
		release()
		f.eventually("the requests of the suspended one are answered", func() bool {
			return f.receiver.count(func(r received) bool { return r.worker == "first" && r.succeeded() }) == onWire
		})
		before := f.deliveries()
		sent := len(f.receiver.requests())

		first.resume()
		f.eventually("its results are logged", func() bool {
			late := 0
			for _, attempts := range f.attempts() {
				for _, one := range attempts {
					if one.Late {
						late++
					}
				}
			}
			return late == onWire
		})
		assert.Equal(t, before, f.deliveries())
		first.emit("kind.again", 1)
		f.eventually("it goes on", func() bool { return len(first.acknowledged()) == len(acknowledged)+1 })
		acknowledged = first.acknowledged()
		f.settled(acknowledged)
		for _, w := range []*fleetWorker{first, second} {
			w.terminate()
			require.Empty(t, w.end())
		}
		assert.Len(t, f.receiver.requests(), sent+len(f.endpoints), "only the new event was sent")
		a := f.check()
		assert.Equal(t, onWire, a.late)
		assert.Equal(t, onWire, a.repeats)
		f.log(a, len(acknowledged), 0, began)
	})
}
