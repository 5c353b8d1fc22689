package webhook

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook/internal/pacing"
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

// Rates of calls that make requests. They let people work, and keep a script from using
// the application against a third party.
var (
	testsOfEndpoint   = pacing.Rate{Burst: 10, Interval: 5 * time.Second}
	testsOfTenant     = pacing.Rate{Burst: 30, Interval: 2 * time.Second}
	retriesOfEndpoint = pacing.Rate{Burst: 60, Interval: 5 * time.Second} // calls of RetryDelivery
	retriesOfTenant   = pacing.Rate{Burst: 200, Interval: time.Second}    // of RetryDelivery, and retryManyCost for each of Retry
)

// retryManyCost is the cost of a call of Retry for many deliveries. It does not depend on their
// number, because the endpoint's lane bounds how fast they are sent.
const retryManyCost = 20

// A rateKey names a counted kind of calls and its caller. The endpoint is empty for all
// calls of a tenant.
type rateKey struct {
	kind     string
	endpoint EndpointKey
}

type toll = pacing.Toll[rateKey]

// pay counts a call. It returns a *RateError if one of the tolls cannot be paid now.
func (d *Dispatcher) pay(tolls ...toll) error {
	if wait := d.rates.Pay(time.Now(), tolls...); wait > 0 {
		return &RateError{Wait: wait}
	}
	return nil
}

// testTolls are the tolls of a test of an endpoint.
func testTolls(key EndpointKey) []toll {
	return []toll{
		{Key: rateKey{"test", key}, Rate: testsOfEndpoint, Cost: 1},
		{Key: rateKey{"test", EndpointKey{Tenant: key.Tenant}}, Rate: testsOfTenant, Cost: 1},
	}
}

// retryTolls are the tolls of RetryDelivery.
func retryTolls(key EndpointKey) []toll {
	return []toll{
		{Key: rateKey{"retry", EndpointKey{Tenant: key.Tenant}}, Rate: retriesOfTenant, Cost: 1},
		{Key: rateKey{"retry", key}, Rate: retriesOfEndpoint, Cost: 1},
	}
}

// retryManyTolls are the tolls of Retry. The application's own calls for all tenants are free.
func (s Scope) retryManyTolls() []toll {
	if s.all {
		return nil
	}
	return []toll{{Key: rateKey{"retry", EndpointKey{Tenant: s.tenant}}, Rate: retriesOfTenant, Cost: retryManyCost}}
}
