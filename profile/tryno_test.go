package profile

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/receive"
)

func TestTrynoSendsTheDocumentedRequest(t *testing.T) {
	s := newSender(t, Tryno())
	v := seed(t, "tryno-joined")
	s.register(t, webhook.Endpoint{Secret: v.Secret})
	r := s.sendOne(t, webhook.Event{
		Type: "member.joined", Time: time.Date(2026, 1, 15, 10, 30, 0, 999_000_000, time.UTC), Data: v.member(t, "data"),
	})
	assert.Equal(t, v.Body, string(r.Body))
	r.Header.Del("User-Agent") // Tryno's is not documented
	assert.Equal(t, v.header(), r.Header)

	verify, err := receive.Tryno(receive.AllowShort(string(v.Secret)))
	require.NoError(t, err)
	assertVerifies(t, verify, r)
}

func TestTrynoTestsArePings(t *testing.T) {
	s := newSender(t, Tryno())
	e := s.register(t, webhook.Endpoint{Events: []string{"member.joined"}})
	r := s.test(t, e.ID)
	assert.Regexp(t, `^{"event":"test\.ping","timestamp":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ","data":{}}$`, string(r.Body))
	verify, err := receive.Tryno(receive.AllowShort(string(e.Secret)))
	require.NoError(t, err)
	assertVerifies(t, verify, r)
}

func TestTrynoKeepsTheBytesOfTheData(t *testing.T) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600))
	for _, data := range []string{"null", ` { "a" : [1.0, "<` + "\u2028" + `"] } `, `"é"`} {
		body, err := encodeTryno(message(webhook.Event{ID: "evt", Type: "member.left", Time: at, Data: json.RawMessage(data)}))
		require.NoError(t, err)
		assert.Equal(t, `{"event":"member.left","timestamp":"2026-01-02T03:04:05Z","data":`+data+`}`, string(body))
		assert.True(t, json.Valid(body))
	}
	_, err := encodeTryno(message(webhook.Event{ID: "evt", Type: "member.left", Data: "c4n4ry"}))
	require.ErrorContains(t, err, "data is string")
	assert.NotContains(t, err.Error(), "c4n4ry")
}

func TestTrynoRetriesAtOnceAndAfterOneFiveAndThirtyMinutes(t *testing.T) {
	policy := Tryno().Retry
	assert.Equal(t, []time.Duration{0, time.Minute, 5 * time.Minute, 30 * time.Minute}, waits(policy, 0))
	assert.Equal(t, []time.Duration{0, 66 * time.Second, 330 * time.Second, 33 * time.Minute}, waits(policy, 0.5))
}

func TestTrynoTakesWhatIsBelow400ForASuccessAndDisablesAtTheFourthFailure(t *testing.T) {
	const retry, disable, success = webhook.VerdictRetry, webhook.VerdictDisable, webhook.VerdictSuccess
	for _, c := range []struct {
		status   int
		class    webhook.Class
		failures int // of the endpoint, before this one
		want     webhook.Verdict
	}{
		{200, "", 0, success},
		{204, "", 3, success},
		{301, "", 0, success},
		{399, "", 3, success},
		{400, "", 0, retry},
		{400, "", 2, retry},
		{400, "", 3, disable},
		{400, "", 4, disable},
		{410, "", 0, retry},
		{410, "", 3, disable},
		{599, "", 2, retry},
		{599, "", 3, disable},
		{0, webhook.ClassTimeout, 2, retry},
		{0, webhook.ClassTimeout, 3, disable},
		{0, webhook.ClassDNS, 0, retry},
		{0, webhook.ClassLocal, 3, retry},
	} {
		o := webhook.Outcome{Class: c.class, Failures: 9, Health: webhook.Health{Failures: c.failures}}
		if c.status > 0 {
			o.Response = &webhook.Response{StatusCode: c.status}
		}
		assert.Equal(t, c.want, Tryno().Judge(o), "%+v", c)
	}
}

func TestTrynoDisablesAnEndpointAfterFourAttemptsThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, Tryno())
		s.answer(500)
		e := s.register(t, webhook.Endpoint{})
		_, err := s.Emit(t.Context(), webhook.Event{Tenant: tenant, Type: "member.joined", ID: "evt"})
		require.NoError(t, err)
		s.runFor(t, time.Hour)

		took := between(s.Sent())
		require.Len(t, took, 3)
		for i, want := range []time.Duration{0, time.Minute, 5 * time.Minute} {
			assert.GreaterOrEqual(t, took[i], want)
			assert.LessOrEqual(t, took[i], want+want/5+pollInterval)
		}
		scope := s.Tenant(tenant)
		e, err = scope.Endpoint(t.Context(), e.ID)
		require.NoError(t, err)
		assert.Equal(t, webhook.EndpointDisabled, e.State)
		assert.Equal(t, webhook.ReasonGone, e.Reason)

		e.State = webhook.EndpointActive
		_, err = scope.UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		_, err = s.Emit(t.Context(), webhook.Event{Tenant: tenant, Type: "member.joined"})
		require.NoError(t, err)
		s.runFor(t, time.Minute)
		e, err = scope.Endpoint(t.Context(), e.ID)
		require.NoError(t, err)
		assert.Equal(t, webhook.EndpointActive, e.State, "it counts from nothing")
	})
}

func TestTrynoDisablesNothingWhileAnotherAttemptSucceedsBetweenThoseThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, Tryno())
		n := 0
		s.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
			if n++; n%4 == 0 {
				return &webhook.Response{StatusCode: 302}, nil
			}
			return nil, errors.New("down")
		}
		e := s.register(t, webhook.Endpoint{MaxInFlight: 1})
		for range 10 {
			_, err := s.Emit(t.Context(), webhook.Event{Tenant: tenant, Type: "member.joined"})
			require.NoError(t, err)
		}
		s.runFor(t, 2*time.Hour)
		e, err := s.Tenant(tenant).Endpoint(t.Context(), e.ID)
		require.NoError(t, err)
		assert.Equal(t, webhook.EndpointActive, e.State)
		assert.Greater(t, len(s.Sent()), 20)
	})
}

func TestTrynoTestsThatFailDisableNothing(t *testing.T) {
	s := newSender(t, Tryno())
	s.answer(500)
	e := s.register(t, webhook.Endpoint{})
	for range 5 {
		s.test(t, e.ID)
	}
	e, err := s.Tenant(tenant).Endpoint(t.Context(), e.ID)
	require.NoError(t, err)
	assert.Equal(t, webhook.EndpointActive, e.State)
}
