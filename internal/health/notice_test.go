package health

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// run returns the health of an endpoint that has failed n times since base, once a second.
func run(n int) webhook.Health {
	h := webhook.Health{}
	for i := range n {
		apply(Edit{Item: failure(i), Merge: true}, &h)
	}
	return h
}

func TestTheLatestFailureIsKept(t *testing.T) {
	var h webhook.Health
	status := func(at, code int) *webhook.Settlement {
		return &webhook.Settlement{Attempt: &webhook.Attempt{StartedAt: after(at), Class: webhook.ClassStatus, Status: code}}
	}
	for _, c := range []struct {
		item   *webhook.Settlement
		class  webhook.Class
		status int
	}{
		{failure(5), webhook.ClassReset, 0},
		{status(3, 500), webhook.ClassReset, 0},
		{status(6, 502), webhook.ClassStatus, 502},
		{status(6, 501), webhook.ClassStatus, 502},
		{success(7), webhook.ClassStatus, 502},
	} {
		apply(Edit{Item: c.item, Merge: true}, &h)
		assert.Equal(t, c.class, h.LastClass)
		assert.Equal(t, c.status, h.LastStatus)
	}
}

func TestAnExcusedAttemptIsLoggedButDoesNotCount(t *testing.T) {
	item := *failure(1)
	item.Excused = true
	v := Judge(&item, Facts{Found: true, Leased: true, Exists: true})
	assert.True(t, v.Log)
	assert.False(t, v.Edit.Merge)
}

func TestHoldsAndThrottlesGrowUntilASuccess(t *testing.T) {
	h := run(2)
	act := func(item *webhook.Settlement) { apply(Edit{Item: item, Merge: item.Attempt != nil, Act: true}, &h) }
	act(&webhook.Settlement{Holds: 3, Throttles: 2})
	act(&webhook.Settlement{Holds: 2, Throttles: 1})
	assert.Equal(t, [2]int{3, 2}, [2]int{h.Holds, h.Throttles}, "a lower number is from an earlier health")

	busy := failure(10)
	busy.Attempt.Class, busy.Attempt.Status = webhook.ClassStatus, http.StatusTooManyRequests
	act(busy)
	assert.Equal(t, 2, h.Throttles)
	act(failure(11))
	assert.Equal(t, [2]int{3, 0}, [2]int{h.Holds, h.Throttles}, "another failure ends the row of 429")
	act(&webhook.Settlement{Throttles: 1})
	act(success(12))
	assert.Zero(t, h.Holds+h.Throttles)
}

func TestAStatusOnlyMovesForwardInTheRunThatWasJudged(t *testing.T) {
	h := run(3)
	edge := func(s webhook.HealthStatus, since time.Time) []webhook.Notice {
		item := &webhook.Settlement{Status: s, FailingSince: since}
		_, notices := Edit{Item: item, Act: true}.Apply(Endpoint{Health: &h, Told: new(Told)}, after(100))
		return notices
	}
	assert.Empty(t, edge(webhook.HealthFailing, after(1)), "another run of failures")
	assert.Empty(t, edge(webhook.HealthFailing, time.Time{}))
	require.Len(t, edge(webhook.HealthFailing, base), 1)
	assert.Equal(t, webhook.HealthFailing, h.Status)
	assert.Equal(t, after(100), h.Since)
	assert.Empty(t, edge(webhook.HealthFailing, base), "a second time")
	require.Len(t, edge(webhook.HealthDisabling, base), 1)
	assert.Empty(t, edge(webhook.HealthFailing, base), "back")
	assert.Equal(t, webhook.HealthDisabling, h.Status)

	_, notices := Edit{Item: success(50), Merge: true}.Apply(Endpoint{Health: &h, Told: new(Told)}, after(100))
	require.Len(t, notices, 1)
	assert.Equal(t, "webhook.endpoint.recovered", notices[0].Type)
	assert.Empty(t, h.Status)
	assert.Equal(t, after(50), h.Since)
	assert.Empty(t, edge(webhook.HealthFailing, base), "the run has ended")
}

func TestADecisionToDisableNeedsItsRunOfFailures(t *testing.T) {
	for name, c := range map[string]struct {
		h     webhook.Health
		since time.Time
		state webhook.EndpointState
		want  webhook.Reason
	}{
		"that run":         {run(3), base, webhook.EndpointActive, webhook.ReasonFailing},
		"of one answer":    {webhook.Health{}, time.Time{}, webhook.EndpointActive, webhook.ReasonFailing},
		"an earlier run":   {run(3), after(-9), webhook.EndpointActive, ""},
		"it has recovered": {webhook.Health{}, base, webhook.EndpointActive, ""},
		"disabled already": {run(3), base, webhook.EndpointDisabled, ""},
		"paused meanwhile": {run(3), base, webhook.EndpointPaused, webhook.ReasonFailing},
	} {
		t.Run(name, func(t *testing.T) {
			item := &webhook.Settlement{Disable: webhook.ReasonFailing, FailingSince: c.since, Endpoint: webhook.EndpointKey{Tenant: "t", ID: "e"}}
			reason, notices := Edit{Item: item, Act: true}.Apply(Endpoint{Health: &c.h, Told: new(Told), State: c.state}, after(9))
			assert.Equal(t, c.want, reason)
			if c.want == "" {
				assert.Empty(t, notices)
				return
			}
			assert.Equal(t, []webhook.Notice{{
				Type: "webhook.endpoint.disabled", Time: after(9), Endpoint: item.Endpoint, Health: c.h, Reason: webhook.ReasonFailing,
			}}, notices)
		})
	}
}

func TestAFailedDeliveryIsANotice(t *testing.T) {
	item := failure(1)
	item.State, item.Reason, item.Failures = webhook.DeliveryFailed, webhook.ReasonExhausted, 4
	item.Attempt.EventID, item.Attempt.EventType = "e1", "order.paid"
	facts := Facts{Found: true, Leased: true, Exists: true, Version: 7} // the item's version is another
	v := Judge(item, facts)
	require.True(t, v.Edit.Fail)
	h := webhook.Health{}
	_, notices := v.Edit.Apply(Endpoint{Health: &h, Told: new(Told)}, after(2))
	assert.Equal(t, []webhook.Notice{{
		Type: "webhook.delivery.failed", Time: after(2), Reason: webhook.ReasonExhausted, EventID: "e1", EventType: "order.paid", Attempts: 4,
	}}, notices)

	assert.False(t, Judge(item, Facts{Found: true, Exists: true}).Edit.Fail, "the lease was lost")
	assert.False(t, Judge(item, Facts{Found: true, Leased: true}).Edit.Fail, "the endpoint is deleted")
	for name, change := range map[string]func(*webhook.Settlement){
		"pending":               func(s *webhook.Settlement) { s.State = webhook.DeliveryPending },
		"canceled":              func(s *webhook.Settlement) { s.State = webhook.DeliveryCanceled },
		"a test":                func(s *webhook.Settlement) { s.Attempt.Test = true },
		"of an operational one": func(s *webhook.Settlement) { s.Attempt.EventType = "webhook.endpoint.failing" },
		"without an attempt":    func(s *webhook.Settlement) { s.Attempt = nil },
	} {
		other, a := *item, *item.Attempt
		other.Attempt = &a
		change(&other)
		assert.False(t, Judge(&other, facts).Edit.Fail, name)
	}
}

func TestOneNoticeOfATypeAnHourIsTold(t *testing.T) {
	var told Told
	note := func(typ string, at time.Time) (silent bool, withheld int) {
		n := webhook.Notice{Type: typ, Time: at}
		told.note(&n)
		told = ParseTold(told.String())
		return n.Silent, n.Withheld
	}
	for _, c := range []struct {
		typ      string
		at       time.Time
		silent   bool
		withheld int
	}{
		{"webhook.delivery.failed", base, false, 0},
		{"webhook.endpoint.failing", after(1), false, 0},
		{"webhook.delivery.failed", after(1), true, 0},
		{"webhook.delivery.failed", base.Add(time.Hour - time.Microsecond), true, 0},
		{"webhook.delivery.failed", base.Add(time.Hour), false, 2},
		{"webhook.endpoint.failing", base.Add(time.Hour), true, 0},
		{"webhook.delivery.failed", base.Add(2 * time.Hour), false, 0},
		{"webhook.endpoint.failing", base.Add(9 * time.Hour), false, 1},
	} {
		silent, withheld := note(c.typ, c.at)
		assert.Equal(t, c.silent, silent, "%s at %v", c.typ, c.at)
		assert.Equal(t, c.withheld, withheld, "%s at %v", c.typ, c.at)
	}
	assert.Less(t, len(told.String()), 200)
}

func FuzzTold(f *testing.F) {
	f.Add("")
	f.Add("1:2,,3:4,,")
	f.Add("-1:-2,x:1,9223372036854775807:9,1:,:1,5:5,6:6")
	f.Fuzz(func(t *testing.T, text string) {
		told := ParseTold(text)
		require.Equal(t, told, ParseTold(told.String()))
	})
}
