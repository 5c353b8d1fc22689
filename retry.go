package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// A RetryPolicy returns the wait before the next attempt of a delivery, and whether there is
// one. It is asked after each failed attempt, whose Outcome it gets. Outcome.Failures counts
// the failed attempts before that one, so it is 0 for the first retry. u is a random number in
// [0,1) for jitter, so that deliveries that failed together are not retried together.
//
// A wait of zero or less means at once. Two things can only lengthen the wait: a Retry-After of
// the receiver, of up to a day, and Config.Health, which holds back endpoints that fail or that
// answer 429 without Retry-After.
//
// A RetryPolicy must be a pure function, and treat a u of 0 as no jitter.
type RetryPolicy func(o Outcome, u float64) (wait time.Duration, again bool)

// Exact returns p without jitter, for schedules that promise exact waits: it calls p with a u
// of 0. Deliveries that failed together are then retried together.
func (p RetryPolicy) Exact() RetryPolicy {
	return func(o Outcome, _ float64) (time.Duration, bool) { return p(o, 0) }
}

// The default policy: 10 s, 20 s, 40 s … doubling up to a day. With jitter its 15 retries take
// 69.5 to 83.4 hours.
const (
	defaultFirstRetry = 10 * time.Second
	defaultMaxRetry   = 24 * time.Hour
	defaultRetries    = 15
)

var defaultRetry = Exponential(defaultFirstRetry, defaultMaxRetry, defaultRetries)

// Exponential returns a policy that waits for first, then for twice as long each time, at most
// for longest, and allows the given number of retries. Each wait is lengthened by up to 20 %
// at random, and never shortened. A first below one millisecond counts as one millisecond, and
// a longest below first counts as first. Zero or fewer retries mean none.
func Exponential(first, longest time.Duration, retries int) RetryPolicy {
	first = max(first, time.Millisecond)
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(first),
		backoff.WithMaxInterval(max(longest, first)),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0), // jitter comes when a retry is scheduled, from u
		backoff.WithMaxElapsedTime(0),
	)
	waits := []time.Duration{b.NextBackOff()} // up to the longest, which is repeated
	for waits[len(waits)-1] < b.MaxInterval && len(waits) < retries {
		waits = append(waits, b.NextBackOff())
	}
	return func(o Outcome, u float64) (time.Duration, bool) {
		if o.Failures < 0 || o.Failures >= retries {
			return 0, false
		}
		return addJitter(waits[min(o.Failures, len(waits)-1)], u), true
	}
}

// Schedule returns a policy with one wait for each retry. Each wait is lengthened by up to 20
// % at random; those of Schedule(…).Exact() are not. A negative wait counts as zero. Without
// waits nothing is retried.
func Schedule(waits ...time.Duration) RetryPolicy {
	waits = append([]time.Duration(nil), waits...)
	return func(o Outcome, u float64) (time.Duration, bool) {
		if o.Failures < 0 || o.Failures >= len(waits) {
			return 0, false
		}
		return addJitter(max(waits[o.Failures], 0), u), true
	}
}

// addJitter lengthens wait by up to a fifth. It saturates.
func addJitter(wait time.Duration, u float64) time.Duration {
	longer := wait + time.Duration(float64(wait)/5*u)
	return max(longer, wait)
}

// maxRetryAfter is the longest wait that a receiver may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the Retry-After header (RFC 9110 §10.2.3): whole seconds, or an HTTP date.
// It returns the wait from now, at most a day. It returns 0 if there is no header, for a past
// date, and for any other value.
func retryAfter(h http.Header, now time.Time) time.Duration {
	values := h["Retry-After"]
	if len(values) == 0 {
		return 0
	}
	v := strings.Trim(values[0], " \t")
	if v == "" {
		return 0
	}
	if digits := strings.TrimLeft(v, "0123456789"); digits == "" {
		seconds := strings.TrimLeft(v, "0")
		if len(seconds) > 5 { // 100,000 seconds are more than a day, and no number of digits overflows
			return maxRetryAfter
		}
		n, _ := strconv.Atoi(seconds) // at most five digits, or none
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(v)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), maxRetryAfter)
}
