package acceptance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestATestSendNeedsNoRunAndIsLoggedButNotRetried(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.EventTypes = map[string]string{"a.b": ""}
			net.Answer = answer(503, "Retry-After: 100")
		})
		r.endpoint("one", func(e *webhook.Endpoint) { e.Events, e.State = []string{"a.b"}, webhook.EndpointPaused })
		a, err := r.Tenant(acme).Test(t.Context(), "one")
		require.NoError(t, err)
		assert.Equal(t, 503, a.Status)
		assert.Equal(t, webhook.ClassStatus, a.Class)
		assert.Equal(t, "test.ping", a.EventType)
		assert.True(t, a.Test)
		assert.True(t, a.NextAt.IsZero())
		sent := r.net.Sent()
		require.Len(t, sent, 1)
		assert.True(t, sent[0].OwnConn)
		assert.Contains(t, string(sent[0].Body), `"type":"test.ping"`)
		assert.NotEmpty(t, sent[0].Header.Get("webhook-signature"))

		r.run()
		pass(time.Hour)
		assert.Len(t, r.net.Sent(), 1)
		log := r.attempts(a.EventID, "one")
		require.Len(t, log, 1)
		assert.True(t, log[0].Test)
		assert.Equal(t, 1, log[0].Number)
		assert.Equal(t, webhook.DeliveryFailed, r.delivery(a.EventID, "one").State)
		e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
		require.NoError(t, err)
		assert.Zero(t, e.Health, "it has no effect on health")
		events, err := r.Tenant(acme).Events(t.Context(), webhook.Query{})
		require.NoError(t, err)
		require.Len(t, events.Items, 1)
		assert.True(t, events.Items[0].Test, "lists mark it")
		assert.True(t, r.delivery(a.EventID, "one").Test)

		err = r.Tenant(acme).RetryDelivery(t.Context(), a.EventID, "one")
		require.NoError(t, err)
		assert.True(t, r.delivery(a.EventID, "one").Test, "also while it is retried by hand")
	})
}

func TestATestSendOfAGoneEndpointDisablesNothing(t *testing.T) {
	r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = answer(410) })
	r.endpoint("one")
	_, err := r.Tenant(acme).Test(t.Context(), "one")
	require.NoError(t, err)
	e, err := r.Tenant(acme).Endpoint(t.Context(), "one")
	require.NoError(t, err)
	assert.Equal(t, webhook.EndpointActive, e.State)
}

func TestAProfileMakesItsOwnTestEvent(t *testing.T) {
	r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
		c.Profiles = map[string]webhook.Profile{"p": {Test: func(e *webhook.Endpoint) webhook.Event {
			return webhook.Event{Type: "webhook.test", Data: map[string]string{"to": e.ID}}
		}}}
		c.Profile = "p"
	})
	r.endpoint("one")
	a, err := r.Tenant(acme).Test(t.Context(), "one")
	require.NoError(t, err)
	assert.Equal(t, "webhook.test", a.EventType)
	assert.Equal(t, webhook.DeliverySucceeded, r.delivery(a.EventID, "one").State)
	assert.Contains(t, string(r.net.Sent()[0].Body), `"data":{"to":"one"}`)
}

func TestOneTestOfAnEndpointRunsAtATimeFourOfATenantAndOneOfEveryTenant(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = hang
			c.MaxInFlight = 32 // room for 12 tests beside the first of each tenant
		})
		for tenant := range 40 {
			for i := range 5 {
				_, err := r.Tenant(fmt.Sprint(tenant)).CreateEndpoint(t.Context(), webhook.Endpoint{
					ID: fmt.Sprint("e", i), URL: "https://a.example", Events: []string{"*"},
				})
				require.NoError(t, err)
			}
		}
		test := func(tenant, i int) (webhook.Attempt, error) {
			return r.Tenant(fmt.Sprint(tenant)).Test(t.Context(), fmt.Sprint("e", i))
		}
		begin := func(tenant, i int) {
			go func() {
				a, err := test(tenant, i)
				assert.NoError(t, err)
				assert.Equal(t, webhook.ClassTimeout, a.Class)
			}()
			synctest.Wait()
		}
		begin(0, 0)
		_, err := test(0, 0)
		require.ErrorIs(t, err, webhook.ErrInFlight)
		for tenant := range 4 {
			for i := range 4 {
				if tenant+i > 0 {
					begin(tenant, i)
				}
			}
			_, err := test(tenant, 4)
			require.ErrorContains(t, err, "4 tests of the tenant: in flight")
		}
		for tenant := 4; tenant < 32; tenant++ {
			begin(tenant, 0) // a new tenant has its own place, beside all others
			_, err := test(tenant, 1)
			require.ErrorIs(t, err, webhook.ErrInFlight)
		}
		_, err = test(32, 0)
		require.ErrorContains(t, err, "44 tests: in flight")
		pass(15 * time.Second)
		synctest.Wait()
		r.net.Answer = nil
		_, err = test(32, 0)
		require.NoError(t, err)
		_, err = test(0, 0)
		require.NoError(t, err)
	})
}

func TestTestSendsOfAnEndpointAndOfATenantHaveARate(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		for i := range 5 {
			r.endpoint(fmt.Sprint("e", i))
		}
		refused := func(id string, wait time.Duration) {
			t.Helper()
			_, err := r.Tenant(acme).Test(t.Context(), id)
			e, ok := errors.AsType[*webhook.RateError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, wait, e.Wait)
		}
		test := func(id string) {
			t.Helper()
			_, err := r.Tenant(acme).Test(t.Context(), id)
			require.NoError(t, err)
		}
		for range 10 {
			test("e0")
		}
		refused("e0", 5*time.Second)
		for _, id := range []string{"e1", "e2"} {
			for range 10 {
				test(id)
			}
		}
		refused("e3", 2*time.Second)
		_, err := r.Tenant("other").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "e0", URL: "https://a.example", Events: []string{"*"}})
		require.NoError(t, err)
		_, err = r.Tenant("other").Test(t.Context(), "e0")
		require.NoError(t, err, "another tenant has its own")
		_, err = r.Tenant(acme).Test(t.Context(), "unknown")
		require.ErrorIs(t, err, webhook.ErrNotFound)
		assert.Len(t, r.net.Sent(), 31, "a refused test is not sent")
		pass(5 * time.Second)
		test("e0")
		refused("e0", 5*time.Second)
	})
}

func TestRetriesByHandHaveARate(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		allowed := 0
		for range 200 { // the delivery has succeeded
			err := r.Tenant(acme).RetryDelivery(t.Context(), "evt", "one")
			if err == nil {
				allowed++
			} else {
				_, ok := errors.AsType[*webhook.RateError](err)
				require.True(t, ok, "%v", err)
			}
			synctest.Wait()
		}
		assert.Equal(t, 60, allowed)
		assert.Len(t, r.net.Sent(), 61)
		many := webhook.Query{EndpointID: "one", State: webhook.DeliverySucceeded}
		for range 7 { // 60 of the 200 retries are used
			_, err := r.Tenant(acme).Retry(t.Context(), many)
			require.NoError(t, err)
		}
		_, err := r.Tenant(acme).Retry(t.Context(), many)
		e, ok := errors.AsType[*webhook.RateError](err)
		require.True(t, ok, "%v", err)
		assert.LessOrEqual(t, e.Wait, 20*time.Second)
		_, err = r.AllTenants().Retry(t.Context(), many)
		require.NoError(t, err, "the application's own are free")
		pass(20 * time.Second)
		_, err = r.Tenant(acme).Retry(t.Context(), many)
		require.NoError(t, err)
		err = r.Tenant(acme).RetryDelivery(t.Context(), "evt", "one")
		require.Error(t, err)
	})
}

func TestATestWhoseCallerLeavesIsNotLogged(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) { net.Answer = hang })
		r.endpoint("one")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Tenant(acme).Test(ctx, "one")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, r.count())
	})
}

func TestATestMayHaveATypeOfTheCatalogue(t *testing.T) {
	r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
		c.EventTypes = map[string]string{"member.joined": ""}
	})
	r.endpoint("one")
	scope := r.Tenant(acme)
	a, err := scope.TestType(t.Context(), "one", "member.joined")
	require.NoError(t, err)
	assert.Equal(t, "member.joined", a.EventType)
	assert.True(t, a.Test)
	_, err = scope.TestType(t.Context(), "one", "member.left")
	require.ErrorIs(t, err, webhook.ErrInvalid)
	a, err = scope.TestType(t.Context(), "one", "")
	require.NoError(t, err)
	assert.Equal(t, r.TestEventType(), a.EventType)
	assert.Equal(t, "test.ping", a.EventType)
}

func TestAnEmptyCatalogueAllowsEveryType(t *testing.T) {
	r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
		c.EventTypes = map[string]string{}
	})
	r.endpoint("one")
	a, err := r.Tenant(acme).TestType(t.Context(), "one", "member.left")
	require.NoError(t, err)
	assert.Equal(t, "member.left", a.EventType)
	receipt, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "member.left"})
	require.NoError(t, err)
	assert.Equal(t, 1, receipt.Deliveries)
}
