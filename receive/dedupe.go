package receive

import "context"

// A Dedupe remembers which events have been handled. An implementation must be safe for concurrent use, and by all that share it:
// of several processes that claim a key at once, one gets it.
type Dedupe interface {
	// Claim takes a key for the caller, which then handles the event and ends the claim. The error wraps ErrDuplicate if a claim
	// on the key has been committed and is still remembered, and ErrInProgress if a claim on it is neither committed nor released. Any
	// other error means that it could not find out; the event is then not handled, and the sender is asked to repeat it.
	//
	// Where claims outlive the process that made them, they must lapse some time after the longest that handling can take;
	// a claim that has lapsed can be taken by another caller, and to end it must then change nothing.
	Claim(ctx context.Context, key string) (Claim, error)
}

// A Claim is the right to handle one event. Of Commit and Release the first that succeeds counts; calls after it change nothing and
// return nil.
type Claim interface {
	// Commit remembers the key as handled.
	Commit(ctx context.Context) error

	// Release forgets the key, so that it can be claimed again at once.
	Release(ctx context.Context) error
}
