package webhook

import (
	"fmt"
	"sync"
	"time"
)

// A RateError is returned when a tenant's calls exceed the rate; see [Scope.Test] and
// [Scope.RetryDelivery]. TestType counts as Test, and [Scope.Retry] as several calls of
// RetryDelivery. Nothing was done. Each process counts by itself.
type RateError struct {
	Wait time.Duration // the time after which the call will be accepted
}

// Error says how long to wait.
func (e *RateError) Error() string {
	return fmt.Sprintf("too many calls; wait %v and call again", e.Wait.Round(time.Millisecond))
}

// A rate allows burst calls at once, and then one for each interval.
type rate struct {
	burst    int
	interval time.Duration
}

// Rates of calls that make requests. They let people work, and keep a script from using
// the application against a third party.
var (
	testsOfEndpoint   = rate{10, 5 * time.Second}
	testsOfTenant     = rate{30, 2 * time.Second}
	retriesOfEndpoint = rate{60, 5 * time.Second} // calls of RetryDelivery
	retriesOfTenant   = rate{200, time.Second}    // of RetryDelivery, and retryManyCost for each of Retry
)

// retryManyCost is the cost of a call of Retry for many deliveries. It does not depend on their
// number, because the endpoint's lane bounds how fast they are sent.
const retryManyCost = 20

const maxRates = 16 << 10

// A rateKey names a counted kind of calls and its caller. The endpoint is empty for all
// calls of a tenant.
type rateKey struct {
	kind     string
	endpoint EndpointKey
}

// rates counts calls in bounded memory. The zero value is ready to use.
type rates struct {
	mu    sync.Mutex
	empty map[rateKey]time.Time // when the whole burst will be free again
}

// A toll is one count of a call.
type toll struct {
	key  rateKey
	rate rate
	cost int
}

// pay counts a call if all its tolls can be paid at now, and returns a *RateError
// otherwise.
func (r *rates) pay(now time.Time, tolls ...toll) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := time.Duration(0)
	for _, t := range tolls {
		burst := time.Duration(t.rate.burst) * t.rate.interval
		wait = max(wait, r.after(now, t).Sub(now)-burst)
	}
	if wait > 0 {
		return &RateError{Wait: wait}
	}
	for _, t := range tolls {
		after := r.after(now, t)
		r.forget(now, t.key)
		r.empty[t.key] = after
	}
	return nil
}

// after returns the time when t's bucket will be empty once t is paid; mu is held.
func (r *rates) after(now time.Time, t toll) time.Time {
	from := now
	if empty, ok := r.empty[t.key]; ok && empty.After(now) {
		from = empty
	}
	return from.Add(time.Duration(t.cost) * t.rate.interval)
}

// forget makes room for key; mu is held. Each call removes a few buckets that hold nothing, so
// the map stays small and no call takes long.
func (r *rates) forget(now time.Time, key rateKey) {
	if r.empty == nil {
		r.empty = make(map[rateKey]time.Time)
	}
	const looks = 8
	n := 0
	for other, empty := range r.empty {
		if !empty.After(now) {
			delete(r.empty, other)
		}
		if n++; n >= looks {
			break
		}
	}
	if _, known := r.empty[key]; known || len(r.empty) < maxRates {
		return
	}
	for other := range r.empty { // any one: its calls are counted anew
		delete(r.empty, other)
		break
	}
}

// testTolls are the tolls of a test of an endpoint.
func testTolls(key EndpointKey) []toll {
	return []toll{
		{rateKey{"test", key}, testsOfEndpoint, 1},
		{rateKey{"test", EndpointKey{Tenant: key.Tenant}}, testsOfTenant, 1},
	}
}

// retryTolls are the tolls of RetryDelivery.
func retryTolls(key EndpointKey) []toll {
	return []toll{
		{rateKey{"retry", EndpointKey{Tenant: key.Tenant}}, retriesOfTenant, 1},
		{rateKey{"retry", key}, retriesOfEndpoint, 1},
	}
}

// retryManyTolls are the tolls of Retry. The application's own calls for all tenants are free.
func (s Scope) retryManyTolls() []toll {
	if s.all {
		return nil
	}
	return []toll{{rateKey{"retry", EndpointKey{Tenant: s.tenant}}, retriesOfTenant, retryManyCost}}
}
