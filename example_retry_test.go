package webhook_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// A retry policy is a function of the failed attempt. This one follows a published schedule for
// five retries, and then tries once a day for a week.
func ExampleRetryPolicy() {
	published := webhook.Schedule(5*time.Second, 5*time.Minute, 30*time.Minute, 2*time.Hour, 5*time.Hour)
	policy := func(o webhook.Outcome, u float64) (time.Duration, bool) {
		if wait, again := published(o, u); again {
			return wait, true
		}
		return 24 * time.Hour, o.Failures < 5+7
	}

	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles: map[string]webhook.Profile{"patient": {Retry: policy}},
		Profile:  "patient",
	})
	fmt.Println(d != nil, err)
	for failures := 0; failures <= 12; failures += 3 {
		fmt.Println(policy(webhook.Outcome{Failures: failures}, 0)) // without jitter
	}
	// Output:
	// true <nil>
	// 5s true
	// 2h0m0s true
	// 24h0m0s true
	// 24h0m0s true
	// 24h0m0s false
}

// A delivery that is answered 429 is due again after two seconds. Every other failure follows
// the usual schedule. Config.Health may hold back the whole endpoint for longer, for example
// with Throttle, which is 30 seconds by default.
func ExampleRetryPolicy_status() {
	usual := webhook.Exponential(10*time.Second, 24*time.Hour, 15)
	policy := func(o webhook.Outcome, u float64) (time.Duration, bool) {
		wait, again := usual(o, u)
		if o.Response != nil && o.Response.StatusCode == http.StatusTooManyRequests {
			wait = 2 * time.Second
		}
		return wait, again
	}

	fmt.Println(policy(webhook.Outcome{Response: &webhook.Response{StatusCode: 429}}, 0))
	fmt.Println(policy(webhook.Outcome{Response: &webhook.Response{StatusCode: 503}}, 0))
	fmt.Println(policy(webhook.Outcome{Class: webhook.ClassTimeout}, 0))
	// Output:
	// 2s true
	// 10s true
	// 10s true
}
