package webhook

import (
	"time"
)

// An Observer is a set of functions that the Dispatcher calls. Nil functions are skipped. They
// are called concurrently, on the path of the deliveries, and must return quickly.
type Observer struct {
	// Attempt is called after each attempt, also of a test send, before its result is stored.
	// An attempt with ClassLocal made no request. VerdictRetry with a zero NextAt means that no
	// retries are left. A request that was cut at shutdown is no attempt.
	Attempt func(Attempt, Verdict)

	// Disabled is called when the verdict on an attempt disables its endpoint. It is called
	// again for each other such attempt that was under way.
	Disabled func(EndpointKey, Reason)

	// Error is called for every error that no caller sees, for example an error of the Store
	// or of a profile. The same errors are logged, but only the log is throttled. If a kind of
	// error repeats, its log lines are 1, 2, 4 seconds apart and so on, up to a minute. The
	// errors of each endpoint are a kind of their own.
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
