package drivertest

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// TestProcessesWithClocksApartAgreeOnTheTime has a process whose clock is ten minutes fast and
// one whose clock is ten minutes slow. Half of the deliveries fail once.
func TestProcessesWithClocksApartAgreeOnTheTime(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	const (
		own   = 30
		wait  = 3 * time.Second
		apart = 2 * time.Second // processes may be, for reading the database's clock on a slow machine
	)
	atOnce(t, databases, func(t *testing.T, d database) {
		began := time.Now()
		f := newFleet(t, d, d.dsn(t), fleetSettings{
			Timeout: 30 * time.Second, Lease: time.Minute, Drain: 30 * time.Second, Retries: manyRetries(wait), InFlight: 64,
		}, 3)
		coin := flaky(testSeed(t), 50)
		f.receiver.setAnswer(func(ctx context.Context, r received) int {
			if r.nth > 1 {
				return http.StatusOK
			}
			return coin(ctx, r)
		})
		fast, slow := f.start("fast", 10*time.Minute), f.start("slow", -10*time.Minute)
		for _, w := range []*fleetWorker{fast, slow} {
			w.waitUp()
			w.emit("", own)
		}
		host := f.startHost()
		f.eventually("all is emitted", func() bool { return host.stored.Load() >= own })
		acknowledged, _ := host.stop()
		for _, w := range []*fleetWorker{fast, slow} {
			f.eventually("all is emitted", func() bool { return len(w.acknowledged()) == own })
			acknowledged = append(acknowledged, w.acknowledged()...)
		}
		f.settled(acknowledged) // in much less than ten minutes
		for _, w := range []*fleetWorker{fast, slow} {
			w.terminate()
			require.Empty(t, w.end())
		}
		a := f.check()
		assert.Zero(t, a.repeats)
		f.log(a, len(acknowledged), 0, began)

		retried, byOther := 0, 0
		sent := make(map[deliveryOf][]received)
		for _, r := range f.receiver.requests() {
			sent[r.deliveryOf] = append(sent[r.deliveryOf], r)
			assert.WithinDuration(t, r.arrived, time.UnixMicro(r.started), time.Minute, "the time of a request by the sender")
		}
		for key, attempts := range f.attempts() {
			slices.SortFunc(attempts, func(x, y webhook.Attempt) int { return x.Number - y.Number })
			for i, one := range attempts[:len(attempts)-1] {
				retried++
				if sent[key][i].worker != sent[key][i+1].worker {
					byOther++
				}
				waits := one.NextAt.Sub(one.StartedAt.Add(one.Duration))
				assert.InDelta(t, wait.Seconds()*1.1, waits.Seconds(), 1, "%v: how long the sender lets it wait", key)
				late := attempts[i+1].StartedAt.Sub(one.NextAt)
				assert.Greater(t, late, -apart, "%v: a retry before it was due", key)
				assert.Less(t, late, time.Minute, "%v: a retry that comes late", key)
				arrived := sent[key][i+1].arrived.Sub(sent[key][i].arrived)
				assert.Greater(t, arrived, wait-apart, "%v: by the receiver's clock", key)
			}
		}
		assert.Positive(t, retried)
		t.Logf("%d retries, %d of them sent by the process with the other clock", retried, byOther)
	})
}
