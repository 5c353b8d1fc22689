package webhook_test

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// A retry policy is a function of how often a delivery has failed. This one follows a published schedule for five retries, and
// then tries once a day for a week.
func ExampleRetryPolicy() {
	published := webhook.Schedule(5*time.Second, 5*time.Minute, 30*time.Minute, 2*time.Hour, 5*time.Hour)
	policy := func(failures int, u float64) (time.Duration, bool) {
		if wait, again := published(failures, u); again {
			return wait, true
		}
		return 24 * time.Hour, failures <= 5+7
	}

	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles: map[string]webhook.Profile{"patient": {Retry: policy}},
		Profile:  "patient",
	})
	fmt.Println(d != nil, err)
	for failures := 1; failures <= 13; failures += 3 {
		fmt.Println(policy(failures, 0)) // without jitter
	}
	// Output:
	// true <nil>
	// 5s true
	// 2h0m0s true
	// 24h0m0s true
	// 24h0m0s true
	// 24h0m0s false
}
