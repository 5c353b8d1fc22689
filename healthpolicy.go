package webhook

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/gowebhook/webhook/internal/pacing"
)

// A HealthPolicy says when failed attempts hold back the deliveries of an endpoint, and when
// they disable it. It goes into Config.Health. The zero value has the defaults.
//
// The rules count failed attempts in a row, over all processes. One success ends the row, and
// everything that followed from it. These failures do not count: attempts with [ClassLocal],
// requests to a URL that Config.Network refuses now, and requests that found no way to the
// proxy. A [Transport] of the application may return ClassLocal for failures of its own. Test
// sends do not count either.
//
// With the defaults, an endpoint that is down for good is seen like this:
//
//	0 s      attempts fail; each delivery is retried as its profile says
//	soon     the fifth attempt in a row fails: the circuit opens for 5 s, then for 10 s, 20 s
//	         and so on up to 1 h, and each time a single delivery probes the endpoint
//	1 h      its status becomes "failing"
//	4 days   its status becomes "disabling_soon"
//	5 days   it is disabled, with the reason "failing"
//
// Each change of the status is a [Notice], and so is the end. The status moves by one step with
// a failed attempt, so each notice is given, even if attempts are rare.
type HealthPolicy struct {
	// Throttle is how long deliveries wait after a response 429 without Retry-After, 1 second to
	// MaxThrottle. The wait doubles with each further 429 in a row, up to MaxThrottle, which is
	// at most 24 hours. A Retry-After takes the place of this wait. Raise Throttle if your
	// receivers count requests by the minute. A negative Throttle means no such wait. Defaults
	// to 30 s and 15 minutes.
	Throttle    time.Duration
	MaxThrottle time.Duration

	// CircuitFailures is the number of failed attempts in a row that opens an endpoint's
	// circuit, 1 to 1,000. Raise it if receivers often fail for a moment and the next delivery
	// should go out all the same. A negative value turns the rule off. Defaults to 5.
	CircuitFailures int

	// CircuitPercent also opens the circuit when so many percent of the attempts within
	// CircuitWindow failed, 1 to 100. Each process counts its own attempts, from an endpoint's
	// first failure on. The rule finds endpoints that fail nearly always, but not in a row.
	// Lower it to spare such endpoints sooner. A negative value turns the rule off. Defaults to
	// 95.
	CircuitPercent int

	// CircuitAttempts is the smallest number of attempts that CircuitPercent judges, 2 to
	// 10,000. Defaults to 20.
	CircuitAttempts int

	// CircuitWindow is the time that CircuitPercent looks back, 1 minute to 1 hour, to a tenth.
	// Defaults to 10 minutes.
	CircuitWindow time.Duration

	// CircuitWait is how long a circuit stays open before a delivery probes the endpoint, 1
	// second to MaxCircuitWait. It doubles with each probe that fails, up to MaxCircuitWait,
	// which is at most 24 hours. After a long outage, deliveries go on within MaxCircuitWait.
	// So lower that to recover sooner, at the price of more requests to endpoints that are
	// down. The few that went out as probes failed then, and wait as their own RetryPolicy
	// says, which may be longer. Defaults to 5 s and 1 hour.
	CircuitWait    time.Duration
	MaxCircuitWait time.Duration

	// CircuitJitter changes each CircuitWait by up to so many percent at random, both ways, 1
	// to 50. So endpoints that went down together are not probed together. A negative value
	// means none. Defaults to 20.
	CircuitJitter int

	// FailingAfter is how long an endpoint must have failed until its status is
	// [HealthFailing], 1 minute to 30 days. Also, FailingAttempts attempts must have failed, 1
	// to 1,000, of at least two events. Raise it if short outages should make no notice. A
	// negative FailingAfter means that no endpoint gets the status. Defaults to 1 hour and 5.
	FailingAfter    time.Duration
	FailingAttempts int

	// DisableAfter is how long an endpoint must have failed until it is disabled with
	// [ReasonFailing], 1 hour to 366 days. Also, DisableAttempts attempts must have failed, 1 to
	// 10,000, and it must have had the status [HealthDisabling] for WarnBefore. Raise
	// DisableAfter if your customers do not look after their endpoints at weekends. A negative
	// value means that failures disable no endpoint. Defaults to 5 days and 20.
	DisableAfter    time.Duration
	DisableAttempts int

	// WarnBefore is how long before DisableAfter the status becomes [HealthDisabling], 1 minute
	// to DisableAfter. Defaults to 24 hours, or to half of DisableAfter if that is less.
	WarnBefore time.Duration
}

// complete returns p with its defaults filled in.
func (p HealthPolicy) complete() HealthPolicy {
	setDefault(&p.Throttle, 30*time.Second)
	setDefault(&p.MaxThrottle, max(15*time.Minute, p.Throttle))
	setDefault(&p.CircuitFailures, 5)
	setDefault(&p.CircuitPercent, 95)
	setDefault(&p.CircuitAttempts, 20)
	setDefault(&p.CircuitWindow, 10*time.Minute)
	setDefault(&p.CircuitWait, 5*time.Second)
	setDefault(&p.MaxCircuitWait, max(time.Hour, p.CircuitWait))
	setDefault(&p.CircuitJitter, 20)
	setDefault(&p.FailingAfter, time.Hour)
	setDefault(&p.FailingAttempts, 5)
	setDefault(&p.DisableAfter, 5*24*time.Hour)
	setDefault(&p.DisableAttempts, 20)
	warn := 24 * time.Hour
	if p.DisableAfter > 0 {
		warn = min(warn, p.DisableAfter/2)
	}
	setDefault(&p.WarnBefore, warn)
	return p
}

// check returns a *FieldError for the first number that is out of its range.
func (p *HealthPolicy) check() error {
	const day = 24 * time.Hour
	for _, err := range []error{
		checkRule("Throttle", p.Throttle, time.Second, max(p.MaxThrottle, time.Second)),
		checkRange("Config.Health.MaxThrottle", p.MaxThrottle, time.Second, day),
		checkRule("CircuitFailures", p.CircuitFailures, 1, 1000),
		checkRule("CircuitPercent", p.CircuitPercent, 1, 100),
		checkRange("Config.Health.CircuitAttempts", p.CircuitAttempts, 2, 10_000),
		checkRange("Config.Health.CircuitWindow", p.CircuitWindow, time.Minute, time.Hour),
		checkRange("Config.Health.MaxCircuitWait", p.MaxCircuitWait, time.Second, day),
		checkRange("Config.Health.CircuitWait", p.CircuitWait, time.Second, p.MaxCircuitWait),
		checkRule("CircuitJitter", p.CircuitJitter, 1, 50),
		checkRule("FailingAfter", p.FailingAfter, time.Minute, 30*day),
		checkRange("Config.Health.FailingAttempts", p.FailingAttempts, 1, 1000),
		checkRule("DisableAfter", p.DisableAfter, time.Hour, 366*day),
		checkRange("Config.Health.DisableAttempts", p.DisableAttempts, 1, 10_000),
	} {
		if err != nil {
			return err
		}
	}
	if p.DisableAfter > 0 {
		return checkRange("Config.Health.WarnBefore", p.WarnBefore, time.Minute, p.DisableAfter)
	}
	return nil
}

// checkRule is checkRange for a number of Config.Health that turns a rule off if it is negative.
func checkRule[T int | time.Duration](field string, value, low, high T) error {
	if value < 0 || value >= low && value <= high {
		return nil
	}
	return &FieldError{
		"Config.Health." + field, fmt.Sprintf("is %v", value), fmt.Sprintf("use %v to %v, or a negative value to turn the rule off", low, high),
	}
}

// A failure is a failed attempt that counts for its endpoint.
type failure struct {
	response *Response    // nil when there was none
	verdict  Verdict      // of the profile. VerdictDisable is not always carried out
	failures int          // of the delivery before the attempt
	health   Health       // of the endpoint when the attempt began
	recent   pacing.Count // attempts of the endpoint in this process, with this one

	startedAt time.Time // of the attempt
	now       time.Time // when the attempt was over
	from      time.Time // when waits begin
	u         float64   // a random number in [0,1), for the jitter
}

// A ruling is the consequences of a failure for its endpoint. The fields are those of
// Settlement.
type ruling struct {
	blockUntil   time.Time
	openCircuit  bool
	holds        int
	throttles    int
	status       HealthStatus
	disable      Reason
	failingSince time.Time
}

// rule decides the consequences of a failure. An answer that disables the endpoint, or would if
// it were confirmed, has no other consequences but Retry-After.
//
// It goes by the endpoint's health as it was when the attempt began. So attempts that were
// under way at the same time take one step together. For example, eight requests time out
// while Health.Holds is 2: each of them leads to Holds 3, and the circuit is open for 20 s.
func (p *HealthPolicy) rule(f *failure) ruling {
	var r ruling
	wait := time.Duration(0)
	if f.response != nil {
		wait = retryAfter(f.response.Header, f.now)
	}
	if f.verdict != VerdictDisable {
		if f.isThrottled() && wait <= 0 && p.Throttle > 0 {
			wait, r.throttles = doubled(p.Throttle, p.MaxThrottle, f.health.Throttles), next(f.health.Throttles)
		}
		if p.opens(f) {
			r.openCircuit, r.holds = true, next(f.health.Holds)
			wait = max(wait, p.spread(doubled(p.CircuitWait, p.MaxCircuitWait, f.health.Holds), f.u))
		}
		p.step(f, &r)
	}
	if wait > 0 {
		r.blockUntil = f.from.Add(wait)
	}
	return r
}

// isThrottled reports whether the receiver asked for fewer requests.
func (f *failure) isThrottled() bool {
	return f.response != nil && f.response.StatusCode == http.StatusTooManyRequests
}

// opens reports whether a failure opens the circuit, or opens it again.
func (p *HealthPolicy) opens(f *failure) bool {
	switch {
	case f.health.Circuit:
		return true
	case p.CircuitFailures > 0 && next(f.health.Failures) >= p.CircuitFailures:
		return true
	default:
		return p.CircuitPercent > 0 && f.recent.Attempts >= p.CircuitAttempts && f.recent.Percent() >= float64(p.CircuitPercent)
	}
}

// step decides whether the endpoint moves on to its next status, or is disabled.
//
// The failures must be of at least two events, because an event may be the cause itself. They
// are if the endpoint's row of failures is longer than the delivery's own.
func (p *HealthPolicy) step(f *failure, r *ruling) {
	since := f.health.FailingSince
	if f.health.Failures <= 0 || since.IsZero() {
		since = f.startedAt
	}
	r.failingSince = since
	failures, lasted := next(f.health.Failures), f.now.Sub(since)
	if f.health.Failures <= max(f.failures, 0) {
		return
	}
	fails := failures >= p.FailingAttempts && (p.FailingAfter < 0 || lasted >= p.FailingAfter)
	switch f.health.Status {
	case HealthDisabling:
		warned := f.now.Sub(f.health.Since) >= p.WarnBefore
		if p.DisableAfter > 0 && warned && lasted >= p.DisableAfter && failures >= p.DisableAttempts {
			r.disable = ReasonFailing
		}
		return
	case HealthFailing:
	default:
		if p.FailingAfter > 0 {
			if fails {
				r.status = HealthFailing
			}
			return
		}
	}
	if p.DisableAfter > 0 && fails && lasted >= p.DisableAfter-p.WarnBefore {
		r.status = HealthDisabling
	}
}

// spread returns wait, changed by up to CircuitJitter percent.
func (p *HealthPolicy) spread(wait time.Duration, u float64) time.Duration {
	return wait + time.Duration(float64(wait)*float64(max(p.CircuitJitter, 0))/100*(2*u-1))
}

// doubled returns first, doubled n times, but at most most.
func doubled(first, most time.Duration, n int) time.Duration {
	for ; n > 0 && first < most; n-- {
		if first > most/2 {
			return most
		}
		first *= 2
	}
	return min(first, most)
}

// next returns n+1, or n if it is as large as a store may keep.
func next(n int) int {
	return min(max(n, 0), math.MaxInt32-1) + 1
}
