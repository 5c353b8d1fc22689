package webhook

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/pacing"
)

const day = 24 * time.Hour

// standardHealth is the zero HealthPolicy with its defaults.
var standardHealth = HealthPolicy{}.complete()

// failedAt returns the health of an endpoint that has failed n times since second 0.
func failedAt(n int) Health {
	return Health{Failures: n, FailingSince: second(0), LastFailureAt: second(n)}
}

// answered returns a failure with a response at second 100, without jitter.
func answered(status int, h Health, header ...string) failure {
	f := failure{response: &Response{StatusCode: status, Header: http.Header{}}, health: h, startedAt: second(99), now: second(100), from: second(100), u: 0.5}
	if len(header) > 0 {
		f.response.Header.Set("Retry-After", header[0])
	}
	return f
}

func TestADoubledWaitEndsAtItsLimit(t *testing.T) {
	for _, c := range []struct {
		first, most time.Duration
		n           int
		want        time.Duration
	}{
		{5, 3600, 0, 5},
		{5, 3600, -1, 5},
		{5, 3600, math.MinInt, 5},
		{5, 3600, 1, 10},
		{5, 3600, 9, 2560},
		{5, 3600, 10, 3600},
		{5, 3600, math.MaxInt, 3600},
		{5, 5, 3, 5},
		{5, 4, 0, 4},
		{1, math.MaxInt64, 62, 1 << 62},
		{1, math.MaxInt64, 63, math.MaxInt64},
		{3, math.MaxInt64, 64, math.MaxInt64},
	} {
		assert.Equal(t, c.want, doubled(c.first, c.most, c.n), "%+v", c)
	}
	assert.Equal(t, []int{1, 1, 2, math.MaxInt32, math.MaxInt32, math.MaxInt32},
		[]int{next(-1), next(0), next(1), next(math.MaxInt32 - 1), next(math.MaxInt32), next(math.MaxInt)})
}

func TestAThrottledEndpointWaitsTwiceAsLongEachTime(t *testing.T) {
	off := HealthPolicy{Throttle: -1}.complete()
	for name, c := range map[string]struct {
		policy    *HealthPolicy
		failure   failure
		wait      time.Duration
		throttles int
	}{
		"the first":                      {&standardHealth, answered(429, Health{}), 30 * time.Second, 1},
		"the second":                     {&standardHealth, answered(429, Health{Throttles: 1}), time.Minute, 2},
		"the fifth":                      {&standardHealth, answered(429, Health{Throttles: 4}), 8 * time.Minute, 5},
		"the sixth":                      {&standardHealth, answered(429, Health{Throttles: 5}), 15 * time.Minute, 6},
		"very many":                      {&standardHealth, answered(429, Health{Throttles: math.MaxInt}), 15 * time.Minute, math.MaxInt32},
		"Retry-After is less":            {&standardHealth, answered(429, Health{Throttles: 3}, "2"), 2 * time.Second, 0},
		"Retry-After is more":            {&standardHealth, answered(429, Health{}, "7200"), 2 * time.Hour, 0},
		"Retry-After is over":            {&standardHealth, answered(429, Health{}, "0"), 30 * time.Second, 1},
		"another status":                 {&standardHealth, answered(503, Health{Throttles: 3}), 0, 0},
		"another status, Retry-After":    {&standardHealth, answered(503, Health{Throttles: 3}, "60"), time.Minute, 0},
		"no response":                    {&standardHealth, failure{from: second(100), now: second(100)}, 0, 0},
		"the rule is off":                {&off, answered(429, Health{}), 0, 0},
		"the rule is off, Retry-After":   {&off, answered(429, Health{}, "9"), 9 * time.Second, 0},
		"the circuit would wait less":    {&standardHealth, answered(429, failedAt(4)), 30 * time.Second, 1},
		"the circuit opens at once":      {&off, answered(429, failedAt(4)), 5 * time.Second, 0},
		"the circuit waits more":         {&standardHealth, answered(429, Health{Failures: 40, Circuit: true, Holds: 7}), 640 * time.Second, 1},
		"the circuit beside Retry-After": {&standardHealth, answered(503, Health{Failures: 40, Circuit: true, Holds: 3}, "39"), 40 * time.Second, 0},
		"Retry-After beside the circuit": {&standardHealth, answered(503, Health{Failures: 40, Circuit: true, Holds: 3}, "41"), 41 * time.Second, 0},
	} {
		r := c.policy.rule(&c.failure)
		want := time.Time{}
		if c.wait > 0 {
			want = second(100).Add(c.wait)
		}
		assert.Equal(t, want, r.blockUntil, name)
		assert.Equal(t, c.throttles, r.throttles, name)
	}
}

func TestACircuitOpensByARowOrByAShareOfFailures(t *testing.T) {
	row := HealthPolicy{CircuitPercent: -1}.complete()
	share := HealthPolicy{CircuitFailures: -1}.complete()
	none := HealthPolicy{CircuitFailures: -1, CircuitPercent: -1}.complete()
	with := func(h Health, r pacing.Count) failure {
		f := answered(500, h)
		f.recent = r
		return f
	}
	open := failedAt(9)
	open.Circuit, open.Holds = true, 2
	doubtful := answered(410, failedAt(9))
	doubtful.verdict = VerdictDisable
	for name, c := range map[string]struct {
		policy  *HealthPolicy
		failure failure
		holds   int // 0: it stays closed
		wait    time.Duration
	}{
		"the fourth in a row":            {&standardHealth, answered(500, failedAt(3)), 0, 0},
		"the fifth in a row":             {&standardHealth, answered(500, failedAt(4)), 1, 5 * time.Second},
		"the sixth, begun with the rest": {&standardHealth, answered(500, failedAt(5)), 1, 5 * time.Second},
		"19 of 19":                       {&share, with(failedAt(1), pacing.Count{Attempts: 19, Failed: 19}), 0, 0},
		"20 of 20":                       {&share, with(failedAt(1), pacing.Count{Attempts: 20, Failed: 20}), 1, 5 * time.Second},
		"19 of 20":                       {&share, with(failedAt(1), pacing.Count{Attempts: 20, Failed: 19}), 1, 5 * time.Second},
		"94 of 100":                      {&share, with(failedAt(1), pacing.Count{Attempts: 100, Failed: 94}), 0, 0},
		"95 of 100":                      {&share, with(failedAt(1), pacing.Count{Attempts: 100, Failed: 95}), 1, 5 * time.Second},
		"949 of 1000":                    {&share, with(failedAt(1), pacing.Count{Attempts: 1000, Failed: 949}), 0, 0},
		"a row, and the rule is off":     {&share, answered(500, failedAt(400)), 0, 0},
		"a share, and the rule is off":   {&row, with(failedAt(1), pacing.Count{Attempts: 20, Failed: 20}), 0, 0},
		"both rules are off":             {&none, with(failedAt(40), pacing.Count{Attempts: 20, Failed: 20}), 0, 0},
		"a probe fails":                  {&standardHealth, answered(500, open), 3, 20 * time.Second},
		"a probe fails, rules are off":   {&none, answered(500, open), 3, 20 * time.Second},
		"an answer that may disable":     {&standardHealth, doubtful, 0, 0},
	} {
		r := c.policy.rule(&c.failure)
		assert.Equal(t, c.holds > 0, r.openCircuit, name)
		assert.Equal(t, c.holds, r.holds, name)
		want := time.Time{}
		if c.wait > 0 {
			want = second(100).Add(c.wait)
		}
		assert.Equal(t, want, r.blockUntil, name)
	}
}

func TestTheStepsOfACircuitHaveJitter(t *testing.T) {
	exact := HealthPolicy{CircuitJitter: -1, MaxCircuitWait: 40 * time.Second}.complete()
	for _, c := range []struct {
		policy *HealthPolicy
		holds  int
		u      float64
		want   time.Duration
	}{
		{&standardHealth, 0, 0, 4 * time.Second},
		{&standardHealth, 0, 0.5, 5 * time.Second},
		{&standardHealth, 0, 0.75, 5500 * time.Millisecond},
		{&standardHealth, 1, 0, 8 * time.Second},
		{&standardHealth, 9, 0.5, 2560 * time.Second},
		{&standardHealth, 10, 0.5, time.Hour},
		{&standardHealth, 10, 0, 48 * time.Minute},
		{&standardHealth, math.MaxInt, 0.5, time.Hour},
		{&standardHealth, math.MinInt, 0.5, 5 * time.Second},
		{&exact, 3, 0, 40 * time.Second},
		{&exact, 9, 0.99, 40 * time.Second},
	} {
		f := answered(500, Health{Failures: 9, Circuit: true, Holds: c.holds})
		f.u = c.u
		assert.Equal(t, second(100).Add(c.want), c.policy.rule(&f).blockUntil, "%+v", c)
	}
	f := failure{health: failedAt(4), now: second(100), from: second(90), u: 0.5}
	assert.Equal(t, second(95), standardHealth.rule(&f).blockUntil, "the wait begins when from says")
}

func TestAnEndpointIsDisabledStepByStep(t *testing.T) {
	policy := func(change func(*HealthPolicy)) *HealthPolicy {
		var p HealthPolicy
		change(&p)
		p = p.complete()
		return &p
	}
	noFailing := policy(func(p *HealthPolicy) { p.FailingAfter = -1 })
	noDisable := policy(func(p *HealthPolicy) { p.DisableAfter = -1 })
	neither := policy(func(p *HealthPolicy) { p.FailingAfter, p.DisableAfter = -1, -1 })
	for name, c := range map[string]struct {
		policy   *HealthPolicy
		status   HealthStatus
		held     time.Duration // since when it has the status
		failures int           // in a row, before this one
		own      int           // of the delivery, before this one
		lasted   time.Duration
		want     HealthStatus
		disable  Reason
	}{
		"59 minutes":                        {&standardHealth, "", 0, 99, 0, time.Hour - 1, "", ""},
		"an hour":                           {&standardHealth, "", 0, 4, 0, time.Hour, HealthFailing, ""},
		"an hour, four failures":            {&standardHealth, "", 0, 3, 0, time.Hour, "", ""},
		"one event alone":                   {&standardHealth, "", 0, 14, 14, 9 * day, "", ""},
		"one other failure":                 {&standardHealth, "", 0, 14, 13, 9 * day, HealthFailing, ""},
		"more own failures than in the row": {&standardHealth, "", 0, 14, 20, 9 * day, "", ""},
		"it stays failing":                  {&standardHealth, HealthFailing, 9 * day, 99, 0, 4*day - 1, "", ""},
		"four days":                         {&standardHealth, HealthFailing, 0, 4, 0, 4 * day, HealthDisabling, ""},
		"four days, not failing yet":        {&standardHealth, "", 0, 99, 0, 9 * day, HealthFailing, ""},
		"four days, one event":              {&standardHealth, HealthFailing, 0, 14, 14, 9 * day, "", ""},
		"less than five days":               {&standardHealth, HealthDisabling, 9 * day, 99, 0, 5*day - 1, "", ""},
		"five days":                         {&standardHealth, HealthDisabling, day, 19, 0, 5 * day, "", ReasonFailing},
		"five days, 19 failures":            {&standardHealth, HealthDisabling, day, 18, 0, 5 * day, "", ""},
		"warned less than a day ago":        {&standardHealth, HealthDisabling, day - 1, 99, 0, 9 * day, "", ""},
		"failing is off, an hour":           {noFailing, "", 0, 99, 0, time.Hour, "", ""},
		"failing is off, four days":         {noFailing, "", 0, 4, 0, 4 * day, HealthDisabling, ""},
		"failing is off, four failures":     {noFailing, "", 0, 3, 0, 4 * day, "", ""},
		"failing is off, five days":         {noFailing, HealthDisabling, day, 19, 0, 5 * day, "", ReasonFailing},
		"disabling is off":                  {noDisable, HealthFailing, 99 * day, 999, 0, 99 * day, "", ""},
		"disabling is off now":              {noDisable, HealthDisabling, 99 * day, 999, 0, 99 * day, "", ""},
		"both are off":                      {neither, "", 0, 999, 0, 99 * day, "", ""},
		"a run from the future":             {&standardHealth, "", 0, 99, 0, -day, "", ""},
		"the largest numbers":               {&standardHealth, HealthDisabling, math.MaxInt64, math.MaxInt, 0, math.MaxInt64, "", ReasonFailing},
	} {
		f := answered(500, Health{Status: c.status, Since: second(100).Add(-c.held), Failures: c.failures, FailingSince: second(100).Add(-c.lasted)})
		f.failures = c.own
		r := c.policy.rule(&f)
		assert.Equal(t, c.want, r.status, name)
		assert.Equal(t, c.disable, r.disable, name)
		assert.Equal(t, f.health.FailingSince, r.failingSince, name)
	}
	first := answered(500, Health{})
	assert.Equal(t, second(99), standardHealth.rule(&first).failingSince, "the attempt begins the row")
}

func TestTheZeroHealthPolicyHasTheDefaultsOfItsComment(t *testing.T) {
	assert.Equal(t, HealthPolicy{
		Throttle: 30 * time.Second, MaxThrottle: 15 * time.Minute,
		CircuitFailures: 5, CircuitPercent: 95, CircuitAttempts: 20, CircuitWindow: 10 * time.Minute,
		CircuitWait: 5 * time.Second, MaxCircuitWait: time.Hour, CircuitJitter: 20,
		FailingAfter: time.Hour, FailingAttempts: 5,
		DisableAfter: 5 * day, DisableAttempts: 20, WarnBefore: day,
	}, standardHealth)
	assert.Equal(t, time.Hour, HealthPolicy{Throttle: time.Hour}.complete().MaxThrottle)
	assert.Equal(t, 2*time.Hour, HealthPolicy{CircuitWait: 2 * time.Hour}.complete().MaxCircuitWait)
	assert.Equal(t, 90*time.Minute, HealthPolicy{DisableAfter: 3 * time.Hour}.complete().WarnBefore)
	assert.Equal(t, day, HealthPolicy{DisableAfter: -1}.complete().WarnBefore)
}

func TestTheRangesOfAHealthPolicyIncludeTheirEnds(t *testing.T) {
	type policies []HealthPolicy
	for field, c := range map[string]struct{ good, bad policies }{
		"Throttle": {
			policies{{Throttle: time.Second}, {Throttle: day}, {Throttle: -1}, {Throttle: math.MinInt64}, {Throttle: time.Minute, MaxThrottle: time.Minute}},
			policies{{Throttle: time.Second - 1}, {Throttle: time.Minute + 1, MaxThrottle: time.Minute}},
		},
		"MaxThrottle": {
			policies{{MaxThrottle: 30 * time.Second}, {MaxThrottle: day}},
			policies{{MaxThrottle: day + 1}, {MaxThrottle: -1, Throttle: -1}, {Throttle: -1, MaxThrottle: time.Second - 1}},
		},
		"CircuitFailures": {
			policies{{CircuitFailures: 1}, {CircuitFailures: 1000}, {CircuitFailures: -1}, {CircuitFailures: math.MinInt}},
			policies{{CircuitFailures: 1001}, {CircuitFailures: math.MaxInt}},
		},
		"CircuitPercent": {
			policies{{CircuitPercent: 1}, {CircuitPercent: 100}, {CircuitPercent: -1}},
			policies{{CircuitPercent: 101}},
		},
		"CircuitAttempts": {
			policies{{CircuitAttempts: 2}, {CircuitAttempts: 10_000}},
			policies{{CircuitAttempts: 1}, {CircuitAttempts: 10_001}, {CircuitAttempts: -1}},
		},
		"CircuitWindow": {
			policies{{CircuitWindow: time.Minute}, {CircuitWindow: time.Hour}},
			policies{{CircuitWindow: time.Minute - 1}, {CircuitWindow: time.Hour + 1}, {CircuitWindow: -1}},
		},
		"CircuitWait": {
			policies{{CircuitWait: time.Second}, {CircuitWait: day}, {CircuitWait: time.Minute, MaxCircuitWait: time.Minute}},
			policies{{CircuitWait: time.Second - 1}, {CircuitWait: -1}, {CircuitWait: time.Minute + 1, MaxCircuitWait: time.Minute}},
		},
		"MaxCircuitWait": {
			policies{{MaxCircuitWait: 5 * time.Second}, {MaxCircuitWait: day}},
			policies{{MaxCircuitWait: day + 1}, {MaxCircuitWait: -1}},
		},
		"CircuitJitter": {
			policies{{CircuitJitter: 1}, {CircuitJitter: 50}, {CircuitJitter: -1}},
			policies{{CircuitJitter: 51}},
		},
		"FailingAfter": {
			policies{{FailingAfter: time.Minute}, {FailingAfter: 30 * day}, {FailingAfter: -1}},
			policies{{FailingAfter: time.Minute - 1}, {FailingAfter: 30*day + 1}},
		},
		"FailingAttempts": {
			policies{{FailingAttempts: 1}, {FailingAttempts: 1000}},
			policies{{FailingAttempts: 1001}, {FailingAttempts: -1}},
		},
		"DisableAfter": {
			policies{{DisableAfter: time.Hour}, {DisableAfter: 366 * day}, {DisableAfter: -1}},
			policies{{DisableAfter: time.Hour - 1}, {DisableAfter: 366*day + 1}},
		},
		"DisableAttempts": {
			policies{{DisableAttempts: 1}, {DisableAttempts: 10_000}},
			policies{{DisableAttempts: 10_001}, {DisableAttempts: -1}},
		},
		"WarnBefore": {
			policies{{WarnBefore: time.Minute}, {WarnBefore: 5 * day}, {WarnBefore: -1, DisableAfter: -1}},
			policies{{WarnBefore: time.Minute - 1}, {WarnBefore: 5*day + 1}, {WarnBefore: -1}},
		},
	} {
		for _, p := range c.good {
			_, err := Config{Health: p}.complete()
			require.NoError(t, err, "%+v", p)
		}
		for _, p := range c.bad {
			_, err := New(unusedStore{}, Config{Health: p})
			requireFieldError(t, err, "Config.Health."+field)
		}
	}
}
