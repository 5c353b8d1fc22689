// Package secrets is what all stores do with the signing secrets of an endpoint that expire.
package secrets

import (
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// Expiry returns when the first of the secrets expires, zero if none does.
func Expiry(list []webhook.EndpointSecret) (first time.Time) {
	for i := range list {
		if at := list[i].ExpiresAt; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// Live returns the secrets that have not expired at now, in a slice of their own.
func Live(list []webhook.EndpointSecret, now time.Time) []webhook.EndpointSecret {
	return slices.DeleteFunc(slices.Clone(list), func(one webhook.EndpointSecret) bool {
		return !one.ExpiresAt.IsZero() && !one.ExpiresAt.After(now)
	})
}
