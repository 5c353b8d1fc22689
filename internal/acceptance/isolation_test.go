package acceptance

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// fanOut sends events to endpoints. The first endpoints never answer; hanging is their
// number. fanOut returns the time until the other endpoints have received all events.
func fanOut(t *testing.T, endpoints, hanging, events int, took time.Duration, configure func(*webhook.Config)) time.Duration {
	t.Helper()
	hangs := make(map[string]bool)
	for i := range hanging {
		hangs[fmt.Sprintf("e%03d", i)] = true
	}
	want := (endpoints - hanging) * events
	arrived := make(chan struct{}, endpoints*events)
	r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
		c.MaxEndpoints = -1
		configure(c)
		net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
			if hangs[req.Endpoint.ID] {
				return hang(ctx, req)
			}
			pass(took)
			arrived <- struct{}{}
			return response(200), nil
		}
	})
	for i := range endpoints {
		r.endpoint(fmt.Sprintf("e%03d", i))
	}
	r.run()
	pass(time.Second) // now no claim is under way
	began := time.Now()
	for i := range events {
		r.emit(fmt.Sprintf("event%d", i))
	}
	for range want {
		<-arrived
	}
	elapsed := time.Since(began)
	_ = r.stop() // the error says that hanging requests are canceled
	return elapsed
}

func TestOneHangingEndpointOfAHundredDelaysNoOther(t *testing.T) {
	const endpoints = 100
	events := 1000
	if raceDetector {
		events = 100 // the race detector makes each of 200,000 deliveries slow
	}
	measure := func(hanging int) (elapsed time.Duration) {
		inTime(t, func(t *testing.T) {
			elapsed = fanOut(t, endpoints, hanging, events, 100*time.Millisecond, func(c *webhook.Config) {
				// Unproven endpoints share half of this. Even that half is above the sum of
				// the caps.
				c.MaxInFlight = 2 * endpoints * 32
			})
		})
		return elapsed
	}
	without, with := measure(0), measure(1)
	require.Equal(t, without, with)
}

func TestManyHangingEndpointsDelayNoOther(t *testing.T) {
	const endpoints, hanging, events = 200, 64, 100
	measure := func(hanging int) (elapsed time.Duration) {
		inTime(t, func(t *testing.T) {
			elapsed = fanOut(t, endpoints, hanging, events, 100*time.Millisecond, func(*webhook.Config) {})
		})
		return elapsed
	}
	without, with := measure(0), measure(hanging)
	t.Logf("without %v, with %v", without, with)
	require.LessOrEqual(t, with, without)
}

func TestQuickEndpointsThatBeginToHangAtOneMomentDelayOthersForSecondsAtMost(t *testing.T) {
	inTime(t, func(t *testing.T) {
		const flood = 400 // events of each endpoint; four endpoints fill the queue
		seen := arrivals{at: map[string]time.Time{}}
		var hanging atomic.Bool
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.MaxEndpoints, c.MaxInFlight = -1, 64
			net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
				if !hanging.Load() {
					return response(200), nil
				}
				return seen.answer(ctx, req)
			}
		})
		for i := range 6 {
			r.endpoint(fmt.Sprint("bad", i), func(e *webhook.Endpoint) { e.Events = []string{"bad"} })
		}
		r.endpoint("good", func(e *webhook.Endpoint) { e.Events = []string{"good"} })
		r.run()
		emit := func(typ, id string) {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: typ, ID: id, Data: 1})
			require.NoError(t, err)
		}
		for i := range 10 { // all endpoints prove quick
			emit("bad", fmt.Sprint("before", i))
			emit("good", fmt.Sprint("first", i))
			pass(time.Second)
		}
		hanging.Store(true)
		for i := range flood {
			emit("bad", fmt.Sprint("bad", i))
		}
		began, emitted := time.Now(), map[string]time.Time{}
		for i := range 100 {
			id := fmt.Sprint("good", i)
			emitted[id] = time.Now()
			emit("good", id)
			pass(200 * time.Millisecond)
		}
		pass(time.Minute)
		seen.mu.Lock()
		defer seen.mu.Unlock()
		for id, at := range emitted {
			require.Contains(t, seen.at, id)
			if wait := seen.at[id].Sub(at); at.Sub(began) > 3*time.Second {
				require.Zero(t, wait, id)
			} else {
				require.LessOrEqual(t, wait, 3*time.Second, id)
			}
		}
	})
}
