package acceptance

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

const (
	abortMessage = "Webhook-Delivery: abort-message"
	disable      = "Webhook-Delivery: disable"
)

func TestTheReceiverEndsADeliveryByAHeader(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header string
		state  webhook.DeliveryState
		reason webhook.Reason
	}{
		"an error":             {500, abortMessage, webhook.DeliveryFailed, webhook.ReasonAborted},
		"a client's error":     {400, abortMessage, webhook.DeliveryFailed, webhook.ReasonAborted},
		"a redirect":           {302, abortMessage, webhook.DeliveryFailed, webhook.ReasonAborted},
		"throttling":           {429, abortMessage, webhook.DeliveryFailed, webhook.ReasonAborted},
		"other letters":        {500, "webhook-delivery: \t Abort-MESSAGE ", webhook.DeliveryFailed, webhook.ReasonAborted},
		"a success":            {200, abortMessage, webhook.DeliverySucceeded, ""},
		"another success":      {299, abortMessage, webhook.DeliverySucceeded, ""},
		"to be disabled":       {200, disable, webhook.DeliverySucceeded, ""},
		"an unknown value":     {500, "Webhook-Delivery: abort", webhook.DeliveryPending, ""},
		"no value":             {500, "Webhook-Delivery: ", webhook.DeliveryPending, ""},
		"two values":           {500, "Webhook-Delivery: abort-message, disable", webhook.DeliveryPending, ""},
		"a header of its name": {500, "X-Webhook-Delivery: abort-message", webhook.DeliveryPending, ""},
	} {
		inTime(t, func(t *testing.T) {
			var verdicts []webhook.Verdict
			r := newRig(t, func(config *webhook.Config, net *webhooktest.Transport) {
				net.Answer = answer(c.status, c.header)
				config.Observer.Attempt = func(_ webhook.Attempt, v webhook.Verdict) { verdicts = append(verdicts, v) }
			})
			r.run()
			r.endpoint("one")
			r.emit("evt")
			synctest.Wait()
			d := r.delivery("evt", "one")
			assert.Equal(t, c.state, d.State, name)
			assert.Equal(t, c.reason, d.Reason, name)
			assert.Equal(t, webhook.EndpointActive, r.state("one"), name)
			if c.reason == webhook.ReasonAborted {
				pass(4 * day)
				assert.Len(t, r.net.Sent(), 1, name)
				assert.Equal(t, []webhook.Verdict{webhook.VerdictFail}, verdicts, name)
				assert.Equal(t, c.status, r.attempts("evt", "one")[0].Status, name)
			}
		})
	}
}

func TestTheReceiverDisablesItsEndpointByAHeader(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = answer(503, "webhook-delivery:  DISABLE ")
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		require.Len(t, r.net.Sent(), 1)
		assert.Equal(t, webhook.EndpointActive, r.state("one"), "one answer disables nothing")
		first := r.attempts("evt", "one")[0]
		assert.Equal(t, time.Second, first.NextAt.Sub(first.StartedAt))
		pass(3 * time.Second)
		require.Len(t, r.net.Sent(), 2)
		assert.True(t, r.net.Sent()[1].OwnConn)
		e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, webhook.EndpointDisabled, e.State)
		assert.Equal(t, webhook.ReasonGone, e.Reason)
		assert.Equal(t, webhook.ReasonGone, r.delivery("evt", "one").Reason)
	})
}

// controlled has profiles with DeliveryControl whose Judge always returns the verdict of their
// name. The profile "ignores" has no DeliveryControl.
func controlled(c *webhook.Config) {
	c.Profiles = map[string]webhook.Profile{"ignores": {}}
	for _, v := range []webhook.Verdict{webhook.VerdictSuccess, webhook.VerdictRetry, webhook.VerdictFail, webhook.VerdictDisable} {
		c.Profiles[string(v)] = webhook.Profile{DeliveryControl: true, Judge: func(webhook.Outcome) webhook.Verdict { return v }}
	}
}

func TestTheReceiversHeaderAndJudgeDecideTogether(t *testing.T) {
	const pending, failed, succeeded = webhook.DeliveryPending, webhook.DeliveryFailed, webhook.DeliverySucceeded
	for _, c := range []struct {
		profile, header string
		status          int
		state           webhook.DeliveryState // after the first answer
		reason          webhook.Reason
		disabled        bool // after a second delivery
	}{
		{"ignores", abortMessage, 500, pending, "", false},
		{"ignores", disable, 500, pending, "", false},
		{"success", abortMessage, 500, succeeded, "", false},
		{"success", disable, 500, succeeded, "", false},
		{"retry", abortMessage, 500, failed, webhook.ReasonAborted, false},
		{"retry", abortMessage, 200, pending, "", false},
		{"retry", disable, 200, pending, "", false},
		{"retry", disable, 500, pending, "", true},
		{"fail", abortMessage, 500, failed, webhook.ReasonRejected, false},
		{"fail", disable, 500, pending, "", true},
		{"disable", abortMessage, 500, failed, webhook.ReasonAborted, true},
		{"disable", abortMessage, 200, pending, "", true},
		{"disable", disable, 500, pending, "", true},
	} {
		inTime(t, func(t *testing.T) {
			r := newRig(t, func(config *webhook.Config, net *webhooktest.Transport) {
				controlled(config)
				net.Answer = answer(c.status, c.header)
			})
			r.run()
			r.endpoint("one", func(e *webhook.Endpoint) { e.Profile = c.profile })
			r.emit("evt")
			synctest.Wait()
			d := r.delivery("evt", "one")
			assert.Equal(t, c.state, d.State, "%+v", c)
			assert.Equal(t, c.reason, d.Reason, "%+v", c)
			assert.Equal(t, webhook.EndpointActive, r.state("one"), "%+v", c)
			r.emit("second")
			pass(2 * time.Second)
			assert.Equal(t, c.disabled, r.state("one") == webhook.EndpointDisabled, "%+v", c)
		})
	}
}

func TestAVerdictFromTheHistoryNeedsNoConfirmationBecauseOfTheHeader(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				if req.Attempt < 3 {
					return response(500), nil
				}
				return response(500, disable), nil
			}
			c.Profile = "third"
			c.Profiles = map[string]webhook.Profile{"third": {DeliveryControl: true, Judge: func(o webhook.Outcome) webhook.Verdict {
				if o.Failures >= 2 {
					return webhook.VerdictDisable
				}
				return ""
			}}}
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		pass(time.Minute)
		assert.Equal(t, webhook.EndpointDisabled, r.state("one"))
		assert.Len(t, r.net.Sent(), 3)
	})
}

func TestAReceiverThatIsGoneAndAbortsIsDisabledByItsNextDelivery(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = answer(410, abortMessage) })
		r.run()
		r.endpoint("one")
		r.emit("first")
		pass(time.Hour)
		assert.Len(t, r.net.Sent(), 1)
		assert.Equal(t, webhook.ReasonAborted, r.delivery("first", "one").Reason)
		assert.Equal(t, webhook.EndpointActive, r.state("one"))
		r.emit("second")
		synctest.Wait()
		require.Len(t, r.net.Sent(), 2)
		assert.True(t, r.net.Sent()[1].OwnConn)
		assert.Equal(t, webhook.ReasonGone, r.delivery("second", "one").Reason)
		assert.Equal(t, webhook.EndpointDisabled, r.state("one"))
	})
}

func TestRetryAfterCountsBesideTheReceiversHeader(t *testing.T) {
	for _, header := range []string{abortMessage, disable} {
		inTime(t, func(t *testing.T) {
			var mended atomic.Bool
			r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
				refusing := answer(503, header, "Retry-After: 600")
				net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
					if mended.Load() {
						return response(200), nil
					}
					return refusing(ctx, req)
				}
			})
			r.run()
			r.endpoint("one")
			r.emit("first")
			synctest.Wait()
			r.emit("second")
			pass(599 * time.Second)
			assert.Len(t, r.net.Sent(), 1, header)
			assert.Equal(t, webhook.EndpointActive, r.state("one"), header)
			mended.Store(true)
			pass(3 * time.Second)
			assert.Equal(t, webhook.DeliverySucceeded, r.delivery("second", "one").State, header)
		})
	}
}

func TestTheReceiversHeaderHasNoEffectOnATestSend(t *testing.T) {
	for _, header := range []string{abortMessage, disable} {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = answer(500, header) })
		r.endpoint("one")
		for range 2 {
			a, err := r.Tenant(acme).Test(t.Context(), "one")
			require.NoError(t, err)
			assert.Equal(t, 500, a.Status)
			assert.Equal(t, webhook.ClassStatus, a.Class)
			d := r.delivery(a.EventID, "one")
			assert.Equal(t, webhook.DeliveryFailed, d.State)
			assert.Equal(t, webhook.ReasonExhausted, d.Reason)
		}
		assert.Equal(t, webhook.EndpointActive, r.state("one"), header)
		e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)
		assert.Zero(t, e.Health, header)
	}
}

func TestAnAbortedDeliveryIsAFailureOfItsEndpoint(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, func(c *webhook.Config) { c.Profile = "standard" })
		f.answers(answer(500, abortMessage))
		f.rigs[0].endpoint("one", func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
		for i := range 5 {
			f.rigs[0].emit(fmt.Sprint("e", i))
			synctest.Wait()
		}
		h := f.health("one")
		assert.Equal(t, 5, h.Failures)
		require.True(t, h.Circuit)
		pass(time.Second)
		for i := 5; i < 8; i++ {
			f.rigs[i%2].emit(fmt.Sprint("e", i))
		}
		opened := time.Now()
		pass(8 * time.Second)
		probes, _ := f.to("one", opened)
		require.Len(t, probes, 1)
		assert.Equal(t, webhook.ReasonAborted, f.rigs[0].delivery(probes[0].event.ID, "one").Reason, "the probe is aborted too")
		h = f.health("one")
		assert.True(t, h.Circuit)
		assert.Equal(t, 2, h.Holds)

		f.answers(answer(503, disable))
		changed := time.Now()
		pass(20 * time.Second)
		e := f.get("one")
		assert.Equal(t, webhook.EndpointDisabled, e.State, "a second probe confirms it")
		assert.Equal(t, webhook.ReasonGone, e.Reason)
		probes, _ = f.to("one", changed)
		assert.GreaterOrEqual(t, len(probes), 2)
		assert.LessOrEqual(t, len(probes), 3, "each process needs two answers")
		aborted := f.noticed("webhook.delivery.failed", "one")
		require.NotEmpty(t, aborted)
		assert.Equal(t, webhook.ReasonAborted, aborted[0].Reason)
	})
}
