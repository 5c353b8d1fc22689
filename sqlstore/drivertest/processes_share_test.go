package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// TestProcessesOnOneDatabaseSendEverythingOnce lets three processes emit and deliver, beside
// one that emits only.
func TestProcessesOnOneDatabaseSendEverythingOnce(t *testing.T) {
	t.Parallel()
	const batches = 10
	own, perBatch := 500, 50 // events
	if raceDetector {
		own, perBatch = own/4, perBatch/4
	}
	atOnce(t, databases, func(t *testing.T, d database) {
		began := time.Now()
		f := emptyFleet(t, d, d.dsn(t), fleetSettings{
			Timeout: time.Minute, Lease: 10 * time.Minute, Drain: time.Minute, Retries: manyRetries(time.Second), InFlight: 64,
		})
		for i := range fleetKinds {
			f.endpoint(kindOf(i))
		}
		workers := make([]*fleetWorker, 3)
		for i := range workers {
			workers[i] = f.start(fmt.Sprintf("w%d", i), 0)
		}
		for _, w := range workers {
			w.waitUp()
			w.emit("", own)
		}
		for b := range batches {
			events := make([]webhook.Event, perBatch)
			for i := range events {
				events[i] = f.event(fmt.Sprintf("batch-%d-%d", b, i), b*perBatch+i)
			}
			f.eventually("they are stored", func() bool {
				if b%2 == 0 {
					_, err := f.dispatcher.EmitBatch(t.Context(), events)
					return err == nil
				}
				return f.emitTx(false, events...) == nil
			})
		}
		total := len(workers)*own + batches*perBatch
		f.eventually("everything arrives", func() bool { return f.receiver.succeeded() == total && f.idle() })
		for _, w := range workers {
			require.Len(t, w.acknowledged(), own)
			t.Logf("%s: %d Emits failed", w.name, len(w.failed))
			w.terminate()
			require.Empty(t, w.end())
			assert.Positive(t, f.receiver.count(func(r received) bool { return r.worker == w.name }), "%s took no part", w.name)
		}
		a := f.check()
		assert.Equal(t, total, a.events)
		assert.Equal(t, total, a.deliveries)
		assert.Equal(t, a.deliveries, a.requests, "nothing is repeated")
		f.log(a, total, 0, began)
	})
}
