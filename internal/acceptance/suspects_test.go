package acceptance

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// answers answers each request with the next status. It repeats the last status.
func answers(statuses ...int) func(context.Context, *webhook.Request) (*webhook.Response, error) {
	var n atomic.Int32
	return func(context.Context, *webhook.Request) (*webhook.Response, error) {
		i := min(int(n.Add(1)), len(statuses)) - 1
		return response(statuses[i]), nil
	}
}

func (r *rig) state(id string) webhook.EndpointState {
	r.t.Helper()
	e, err := r.Tenant(acme).Endpoint(context.Background(), id)
	require.NoError(r.t, err)
	return e.State
}

func TestAGoneEndpointIsDisabledByASecondAnswerOnAFreshConnection(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = answer(410)
			c.Profiles = map[string]webhook.Profile{"once": {Retry: webhook.Schedule()}}
			c.Profile = "once"
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		require.Len(t, r.net.Sent(), 1)
		assert.False(t, r.net.Sent()[0].OwnConn)
		assert.Equal(t, webhook.EndpointActive, r.state("one"), "one answer disables nothing")
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State, "also when the policy has no retries")
		first := r.attempts("evt", "one")[0]
		assert.Equal(t, 410, first.Status)
		assert.Equal(t, time.Second, first.NextAt.Sub(first.StartedAt))

		pass(3 * time.Second)
		require.Len(t, r.net.Sent(), 2)
		assert.True(t, r.net.Sent()[1].OwnConn)
		assert.Equal(t, webhook.EndpointDisabled, r.state("one"))
		d = r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryFailed, d.State)
		assert.Equal(t, webhook.ReasonGone, d.Reason)
		assert.Equal(t, 2, d.Attempts, "each request is an attempt")
	})
}

func TestAnAnswerThatIsNotConfirmedDisablesNothing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = answers(410, 204, 410, 500, 204) })
		r.run()
		r.endpoint("one")
		r.emit("first")
		pass(3 * time.Second)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("first", "one").State)
		r.emit("second") // after a success, this 410 counts as the first
		pass(time.Minute)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("second", "one").State)
		assert.Equal(t, webhook.EndpointActive, r.state("one"))
		assert.Len(t, r.net.Sent(), 5)
		own := 0
		for _, req := range r.net.Sent() {
			if req.OwnConn {
				own++
			}
		}
		assert.Equal(t, 3, own, "until a request succeeds")
	})
}

func TestTwoAnswersOnKeptConnectionsDisableNothing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		both := make(chan struct{})
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				if req.OwnConn {
					return response(204), nil
				}
				<-both
				return response(410), nil
			}
		})
		r.run()
		r.endpoint("one")
		r.emit("first")
		r.emit("second")
		synctest.Wait()
		require.Len(t, r.net.Sent(), 2)
		close(both)
		pass(5 * time.Second)
		assert.Equal(t, webhook.EndpointActive, r.state("one"))
		for _, event := range []string{"first", "second"} {
			assert.Equal(t, webhook.DeliverySucceeded, r.delivery(event, "one").State)
		}
	})
}

func TestAnEditedEndpointIsNotSuspectedForItsOldAnswer(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = answer(410) })
		r.run()
		e := r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		e.URL = "https://two.example/hook"
		_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		pass(1500 * time.Millisecond)
		require.Len(t, r.net.Sent(), 2)
		assert.Equal(t, webhook.EndpointActive, r.state("one"), "it is the first answer of the new URL")
		pass(2 * time.Second)
		require.Len(t, r.net.Sent(), 3)
		assert.Equal(t, webhook.EndpointDisabled, r.state("one"))
	})
}

func TestAVerdictFromTheHistoryDisablesAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = answer(500)
			c.Profile = "third"
			c.Profiles = map[string]webhook.Profile{"third": {Judge: func(o webhook.Outcome) webhook.Verdict {
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

func TestEveryProcessOfManyComesToDisableAGoneEndpoint(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := memstore.New(memstore.Options{})
		net := &webhooktest.Transport{Answer: answer(410)}
		var first *rig
		for range 4 {
			d, err := webhook.New(store, webhook.Config{Transport: net, Logger: quiet})
			require.NoError(t, err)
			r := &rig{Dispatcher: d, t: t, net: net}
			r.run()
			if first == nil {
				first = r
				first.endpoint("one")
			}
		}
		first.emit("evt")
		pass(30 * time.Second)
		assert.Equal(t, webhook.EndpointDisabled, first.state("one"))
		assert.LessOrEqual(t, len(net.Sent()), 5, "one for each process, and one more")
	})
}
