// Package secrets has the rules for signing secrets that expire. All stores share them.
package secrets

import (
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// Expiry returns the time when the first of the secrets expires, or the zero time if none does.
func Expiry(list []webhook.EndpointSecret) (first time.Time) {
	for i := range list {
		if at := list[i].ExpiresAt; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// Live returns the secrets that have not expired at now, in a new slice.
func Live(list []webhook.EndpointSecret, now time.Time) []webhook.EndpointSecret {
	return slices.DeleteFunc(slices.Clone(list), func(one webhook.EndpointSecret) bool {
		return !one.ExpiresAt.IsZero() && !one.ExpiresAt.After(now)
	})
}
