package acceptance

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestAnOpenCircuitLetsOneProbeThroughOverAllProcesses(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		f.rigs[0].endpoint("one")
		for i := range 40 {
			f.rigs[i%2].emit(fmt.Sprint("e", i))
		}
		pass(3 * time.Second)
		h := f.health("one")
		require.True(t, h.Circuit)
		require.Equal(t, 1, h.Holds)
		opened := time.Now()
		f.to("one", opened)
		pass(40 * time.Minute)
		probes, most := f.to("one", opened)
		assert.Equal(t, 1, most)
		require.Len(t, probes, 8, "after 5, 10, 20 … 640 seconds")
		for i := 1; i < len(probes); i++ {
			wait := 5 * time.Second << i
			assert.InDelta(t, wait.Seconds(), probes[i].at.Sub(probes[i-1].at).Seconds(), 2, "before probe %d", i)
		}
		assert.Equal(t, 9, f.health("one").Holds)
		attempts := 0
		for i := range 40 {
			attempts += f.rigs[0].delivery(fmt.Sprint("e", i), "one").Attempts
		}
		sent, _ := f.to("one", time.Time{})
		assert.Equal(t, len(sent), attempts, "the others use up no attempts")

		f.answers(answer(204))
		pass(time.Hour)
		for i := range 40 {
			assert.Equal(t, webhook.DeliverySucceeded, f.rigs[0].delivery(fmt.Sprint("e", i), "one").State)
		}
		h = f.health("one")
		assert.False(t, h.Circuit)
		assert.Zero(t, h.Holds+h.Failures)
	})
}

func TestFailuresThatWereUnderWayTogetherAreOneStep(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 1, nil)
		f.answers(answer(204))
		r := f.rigs[0]
		r.endpoint("one")
		for i := range 8 { // the pace grows
			r.emit(fmt.Sprint("w", i))
			synctest.Wait()
		}
		f.answers(func(context.Context, *webhook.Request) (*webhook.Response, error) {
			pass(500 * time.Millisecond)
			return response(500), nil
		})
		for i := range 8 {
			r.emit(fmt.Sprint("e", i))
		}
		pass(600 * time.Millisecond)
		h := f.health("one")
		assert.Equal(t, 8, h.Failures)
		assert.False(t, h.Circuit, "each of them was the first when it began")
		pass(2 * time.Second)
		_, most := f.to("one", time.Time{})
		require.Greater(t, most, 4)
		h = f.health("one")
		assert.Greater(t, h.Failures, 12)
		assert.True(t, h.Circuit)
		assert.Equal(t, 1, h.Holds)
	})
}

func TestAProcessThatDiesWithTheProbeHoldsNobodyUpForLong(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		f.rigs[0].endpoint("one")
		for i := range 10 {
			f.rigs[0].emit(fmt.Sprint("e", i))
		}
		pass(3 * time.Second)
		require.True(t, f.health("one").Circuit)
		opened := time.Now()
		f.answers(hang)
		pass(6 * time.Second)
		probes, _ := f.to("one", opened)
		require.Len(t, probes, 1)
		f.rigs[probes[0].rig].store.down.Store(true) // as good as dead
		f.answers(answer(204))
		pass(40 * time.Second)
		probes, _ = f.to("one", opened)
		assert.Len(t, probes, 1, "the probe may still be under way")
		pass(30 * time.Second)
		for i := range 10 {
			assert.Equal(t, webhook.DeliverySucceeded, f.rigs[0].delivery(fmt.Sprint("e", i), "one").State)
		}
	})
}

func TestAFailureFromBeforeTheRecoveryOpensNoCircuit(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, func(c *webhook.Config) {
			c.RequestTimeout, c.Health.CircuitFailures = 30*time.Second, 1
		})
		f.rigs[0].endpoint("one")
		slow := make(chan struct{})
		f.answers(func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
			if req.Event.ID == "slow" {
				<-slow
			}
			return response(500), nil
		})
		f.rigs[0].emit("slow")
		synctest.Wait()
		f.rigs[0].store.idle.Store(true) // the process learns nothing more of the endpoint
		f.rigs[1].emit("quick")
		synctest.Wait()
		require.True(t, f.health("one").Circuit)
		f.answers(answer(204))
		pass(7 * time.Second)
		require.False(t, f.health("one").Circuit, "the other process has seen a success")
		close(slow)
		synctest.Wait()
		require.Len(t, f.rigs[0].attempts("slow", "one"), 1)
		h := f.health("one")
		assert.False(t, h.Circuit)
		assert.Zero(t, h.Holds)
		assert.True(t, h.BlockedUntil.IsZero())
	})
}

func TestAnEndpointThatFailsNearlyAlwaysHasACircuitToo(t *testing.T) {
	for percent, opens := range map[int]bool{95: true, -1: false} {
		inTime(t, func(t *testing.T) {
			f := newFleet(t, 1, func(c *webhook.Config) { c.Health.CircuitFailures, c.Health.CircuitPercent = -1, percent })
			f.answers(answers(append(make24(500), 204)...))
			r := f.rigs[0]
			r.endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
			for n := range 19 {
				r.emit(fmt.Sprint("e", n))
				synctest.Wait()
			}
			assert.False(t, f.health("one").Circuit, "19 attempts are too few")
			r.emit("last")
			synctest.Wait()
			assert.Equal(t, opens, f.health("one").Circuit)
		})
	}
}

func make24(status int) (list []int) {
	for range 24 {
		list = append(list, status)
	}
	return list
}

func TestAReceiverThatThrottlesIsAskedLessAndLess(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, func(c *webhook.Config) { c.Health.CircuitFailures, c.Health.CircuitPercent = -1, -1 })
		f.answers(answer(429))
		f.rigs[0].endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
		begun := time.Now()
		for i := range 3 {
			f.rigs[i%2].emit(fmt.Sprint("e", i))
		}
		pass(time.Hour)
		sent, _ := f.to("one", begun)
		var waits []float64
		for i := 1; i < len(sent); i++ {
			waits = append(waits, sent[i].at.Sub(sent[i-1].at).Round(10*time.Second).Minutes())
		}
		for i, want := range []float64{0.5, 1, 2, 4, 8, 15, 15} {
			require.Greater(t, len(waits), i)
			assert.InDelta(t, want, waits[i], 0.1, "wait %d", i)
		}
		f.answers(answer(500))
		pass(15 * time.Minute)
		assert.Zero(t, f.health("one").Throttles, "another failure ends the row")
		f.answers(answer(429, "Retry-After: 7"))
		pass(10 * time.Second)
		last, _ := f.to("one", time.Now().Add(-8*time.Second))
		assert.LessOrEqual(t, len(last), 2, "Retry-After counts")
		assert.Zero(t, f.health("one").Throttles)
		f.answers(answer(429))
		pass(10 * time.Second)
		assert.Equal(t, 1, f.health("one").Throttles)
		assert.False(t, f.health("one").Circuit)
	})
}

func TestFailuresThatAreNotTheEndpointsDoNotCount(t *testing.T) {
	for name, broken := range map[string]func(*webhook.Config){
		"of encoding": func(c *webhook.Config) {
			p := c.Profiles["soon"]
			p.Encode = func(*webhook.Message) ([]byte, error) { return nil, errStore }
			c.Profiles["soon"] = p
		},
		"of the application's transport": func(c *webhook.Config) {
			c.Transport = transportFunc(func(context.Context, *webhook.Request) (*webhook.Response, error) { return nil, webhook.ClassLocal })
		},
	} {
		inTime(t, func(t *testing.T) {
			f := newFleet(t, 1, broken)
			f.rigs[0].endpoint("one")
			f.rigs[0].emit("e1")
			f.rigs[0].emit("e2")
			pass(10 * time.Minute)
			assert.Equal(t, webhook.Health{}, f.health("one"), name)
			assert.Greater(t, f.rigs[0].delivery("e1", "one").Attempts, 500, name)
			assert.Empty(t, f.notices, name)
		})
	}
}

// A transportFunc is a Transport.
type transportFunc func(context.Context, *webhook.Request) (*webhook.Response, error)

func (f transportFunc) Send(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
	return f(ctx, req)
}
