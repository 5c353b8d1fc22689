package receive

import "context"

// A Dedupe remembers the events that have been handled. An implementation must be safe for
// concurrent use. If several processes share it and claim a key at once, one of them gets it.
type Dedupe interface {
	// Claim takes a key for the caller, which then handles the event and ends the claim.
	//
	// The error wraps ErrDuplicate if a claim on the key has been committed and is still
	// remembered. It wraps ErrInProgress if a claim on the key is neither committed nor
	// released. Any other error means that Claim could not find out. Then the event is not
	// handled, and the sender is asked to repeat it.
	//
	// If claims outlive the process that made them, they must lapse, at some time after the
	// longest possible handling. Another caller can take a lapsed claim. Ending the lapsed
	// claim must then change nothing.
	Claim(ctx context.Context, key string) (Claim, error)
}

// A Claim is the right to handle one event. The first successful call of Commit or Release
// counts. Later calls change nothing and return nil.
type Claim interface {
	// Commit remembers the key as handled.
	Commit(ctx context.Context) error

	// Release forgets the key. It can be claimed again at once.
	Release(ctx context.Context) error
}
