package pacing

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	firstStoreRetry = 50 * time.Millisecond

	// LastStoreRetry is the longest interval between two tries of a failing Store.
	LastStoreRetry = 5 * time.Second
)

// StoreBackoff returns the growing intervals between tries of a failing Store.
func StoreBackoff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstStoreRetry), backoff.WithMaxInterval(LastStoreRetry), backoff.WithMaxElapsedTime(0),
	)
}

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Hint sends on a channel with room for one hint, unless there is one.
func Hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
