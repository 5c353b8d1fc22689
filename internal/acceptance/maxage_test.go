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
	"github.com/gowebhook/webhook/webhooktest"
)

// hourly has a profile whose deliveries live for an hour and are retried every 20 minutes.
func hourly(c *webhook.Config) {
	c.Profiles = map[string]webhook.Profile{"hourly": {
		Retry:  func(webhook.Outcome, float64) (time.Duration, bool) { return 20 * time.Minute, true },
		MaxAge: time.Hour,
	}}
	c.Profile, c.Health = "hourly", noCircuits
}

// expires checks that a delivery has all its attempts of an hour, from begun on: at 0, 20,
// 40 and 60 minutes.
func (r *rig) expires(event string, begun time.Time) {
	r.t.Helper()
	pass(2 * time.Hour)
	d := r.delivery(event, "one")
	assert.Equal(r.t, webhook.ReasonExpired, d.Reason)
	var minutes []float64
	for _, a := range r.attempts(event, "one") {
		if !a.StartedAt.Before(begun) {
			minutes = append(minutes, a.StartedAt.Sub(begun).Round(time.Minute).Minutes())
		}
	}
	assert.Equal(r.t, []float64{0, 20, 40, 60}, minutes)
}

func TestAPauseDoesNotCountForMaxAge(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			hourly(c)
			net.Answer = answer(500)
		})
		r.run()
		e := r.endpoint("one", func(e *webhook.Endpoint) { e.State = webhook.EndpointPaused })
		emitted := time.Now()
		r.emit("evt")
		pass(2 * time.Hour)
		require.Empty(t, r.net.Sent())
		e.State = webhook.EndpointActive
		_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		pass(time.Second)
		sent := r.net.Sent()
		require.Len(t, sent, 1)
		assert.Equal(t, emitted.UTC(), sent[0].Since, "profiles get the time when it was first due")
		r.expires("evt", emitted.Add(2*time.Hour))
	})
}

func TestABlockDoesNotCountForMaxAge(t *testing.T) {
	for _, status := range []int{429, 503} {
		inTime(t, func(t *testing.T) {
			r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
				hourly(c)
				net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
					if req.Attempt == 1 && req.Event.ID == "first" {
						return response(status, "Retry-After: 7200"), nil
					}
					return response(500), nil
				}
			})
			r.run()
			r.endpoint("one")
			begun := time.Now()
			r.emit("first")
			synctest.Wait()
			r.emit("second")
			pass(2*time.Hour - time.Second)
			require.Len(t, r.net.Sent(), 1)
			r.expires("second", begun.Add(2*time.Hour))
			d := r.delivery("first", "one")
			assert.Equal(t, webhook.ReasonExpired, d.Reason)
			assert.Equal(t, 4, d.Attempts, "the 20 minutes of its first retry count, the rest of the block does not")
		})
	}
}

func TestACircuitDoesNotCountForMaxAge(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, func(c *webhook.Config) {
			hourly(c)
			c.Health = webhook.HealthPolicy{CircuitFailures: 1, CircuitPercent: -1, CircuitJitter: -1, CircuitWait: 2 * time.Hour, MaxCircuitWait: 2 * time.Hour}
		})
		f.rigs[0].endpoint("one")
		f.rigs[0].emit("first")
		synctest.Wait()
		require.True(t, f.health("one").Circuit)
		for i := range 3 {
			f.rigs[i%2].emit(fmt.Sprint("e", i))
		}
		pass(6*time.Hour + time.Minute) // three probes fail
		sent, _ := f.to("one", time.Time{})
		assert.Len(t, sent, 4)
		f.answers(answer(204))
		pass(2 * time.Hour)
		for _, id := range []string{"first", "e0", "e1", "e2"} {
			assert.Equal(t, webhook.DeliverySucceeded, f.rigs[0].delivery(id, "one").State, id)
		}
	})
}
