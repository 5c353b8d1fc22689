package webhook

import (
	"time"
)

// An Observer is a set of functions that the Dispatcher calls. Nil functions are skipped. They
// are called concurrently, on the path of the deliveries, and must return quickly.
type Observer struct {
	// Attempt is called after each request, before its result is stored. VerdictRetry with a
	// zero NextAt means that no retries are left. A request that was cut at shutdown is no
	// attempt.
	Attempt func(Attempt, Verdict)

	// Disabled is called when the verdict on an attempt disables its endpoint. It is called
	// again for each other such attempt that was under way.
	Disabled func(EndpointKey, Reason)

	// Error is called for errors that no caller sees, such as those of the Store and of
	// profiles. They are logged too. Each kind of error, and each endpoint, is throttled by
	// itself: a repeated error is reported after 1, 2, 4 seconds and so on, at most every
	// minute.
	Error func(error)
}

// report reports an error that no caller sees. Each kind has a few lines in the log.
// Observer.Error gets all errors.
func (d *Dispatcher) report(err error) {
	if tell := d.config.Observer.Error; tell != nil {
		d.observe(func() { tell(err) })
	}
	if skipped, ok := d.problem.allow(kindOf(err), time.Now()); ok {
		d.config.Logger.Error("webhook", "error", err.Error(), "similar", skipped)
	}
}

// observe calls a function of the application's Observer. If it panics, the Dispatcher goes on.
func (d *Dispatcher) observe(tell func()) {
	var err error
	defer func() {
		if err != nil {
			if skipped, ok := d.problem.allow("observer", time.Now()); ok {
				d.config.Logger.Error("webhook", "error", "observer: "+err.Error(), "similar", skipped)
			}
		}
	}()
	defer recovered(&err)
	tell()
}
