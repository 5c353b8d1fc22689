package receive

import (
	"fmt"
	"strconv"
	"time"
)

// defaultTolerance is the tolerance of the libraries of Standard Webhooks, Stripe and Keygen,
// and of Slack's instructions.
const defaultTolerance = 5 * time.Minute

// latest is the last second of the year 9999. Later timestamps are no dates.
const latest = 253402300799

// A Window is the range of timestamps that a verifier accepts. Its zero value is ready.
type Window struct {
	// Tolerance is how far a timestamp may be from the clock, either way. A negative value
	// means that timestamps are not judged: a recorded request is then valid for ever. Defaults
	// to 5 minutes.
	Tolerance time.Duration

	// Now is the clock. It may be called concurrently. Defaults to time.Now.
	Now func() time.Time
}

// judge returns an error if at is outside the window.
func (w Window) judge(at time.Time) error {
	if w.Tolerance < 0 {
		return nil
	}
	tolerance := w.Tolerance
	if tolerance == 0 {
		tolerance = defaultTolerance
	}
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	switch age := now().Sub(at); {
	case age > tolerance:
		return fmt.Errorf("%w: by more than %v", ErrTooOld, tolerance)
	case age < -tolerance:
		return fmt.Errorf("%w: by more than %v", ErrTooNew, tolerance)
	}
	return nil
}

// judgeUnix reads a timestamp in whole seconds since 1970 and judges it. Each second has only
// one accepted spelling, so the signed text and the number that is read cannot differ.
func (w Window) judgeUnix(name, text string) (time.Time, error) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return time.Time{}, fmt.Errorf("%w: %s is not a whole number of seconds", ErrMalformed, name)
		}
	}
	if text == "" || text[0] == '0' && text != "0" {
		return time.Time{}, fmt.Errorf("%w: %s is not a whole number of seconds", ErrMalformed, name)
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds > latest {
		return time.Time{}, fmt.Errorf("%w: %s is after the year 9999", ErrTooNew, name)
	}
	at := time.Unix(seconds, 0).UTC()
	return at, w.judge(at)
}
