package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// An Observer is a set of functions that the Dispatcher calls. Nil functions are skipped. They
// are called concurrently, on the path of the deliveries, and must return quickly.
type Observer struct {
	// Attempt is called after each attempt, also of a test send, before its result is stored.
	// An attempt with ClassLocal made no request. VerdictRetry with a zero NextAt means that no
	// retries are left. A request that was cut at shutdown is no attempt.
	Attempt func(Attempt, Verdict)

	// BeginEmit is called when Emit, EmitBatch or EmitTx begins, with a copy of the events, and
	// before they are checked. It may set their Trace, and must not change or keep anything else
	// of them. The call goes on with the context that it returns, which must be derived from
	// ctx. The function that it returns is called when the call ends, with the results of the
	// call. Both results may be nil.
	BeginEmit func(ctx context.Context, events []Event) (context.Context, func([]Receipt, error))

	// BeginAttempt is called before the request of an attempt is sent, also of a test send. The
	// Transport gets the context that it returns, which must be derived from ctx. The function
	// that it returns is called when the attempt was judged, after Attempt and with the same
	// arguments. Both results may be nil.
	//
	// The function is called with an empty Verdict if the request was cut at shutdown. Then
	// there was no attempt, and Attempt is not called. BeginAttempt itself is not called if no
	// request can be made (ClassLocal).
	//
	// The Request must not be changed. Its URL, Header and Body may contain secrets, so keep
	// them out of traces.
	BeginAttempt func(ctx context.Context, r *Request) (context.Context, func(Attempt, Verdict))

	// Store is called after each call of the Store's methods that deliveries depend on, also of
	// a Publisher of EmitTx.
	Store func(StoreCall)

	// LeaseLost is called when the Store refuses n results because their leases were lost.
	// Their deliveries may be sent twice. It happens if a process was suspended or away from its
	// Store for longer than Config.Lease.
	LeaseLost func(n int)

	// Disabled is called when the verdict on an attempt disables its endpoint. If several such
	// attempts are under way at once, it is called for each of them.
	Disabled func(EndpointKey, Reason)

	// Error is called for every error that no caller sees, for example an error of the Store
	// or of a profile. The same errors are logged, but only the log is throttled. If a kind of
	// error repeats, its log lines are 1, 2, 4 seconds apart and so on, up to a minute. The
	// errors of each endpoint are a kind of their own.
	Error func(error)
}

// report reports an error that no caller sees. message is constant, and err may be nil if the
// message says everything. Observer.Error gets all errors. The log has a few lines for each
// message.
func (d *Dispatcher) report(message string, err error, facts ...slog.Attr) {
	d.tell(message, message, err, facts)
}

// reportOf is report for an error of one endpoint. Each endpoint has lines of its own, so one
// tenant's constant error hides no other tenant's.
func (d *Dispatcher) reportOf(key EndpointKey, message string, err error, facts ...slog.Attr) {
	d.tell(kindOf(message, key), message, err, append(factsOf(key), facts...))
}

// kindOf returns the kind of a message about one endpoint.
func kindOf(message string, key EndpointKey) string {
	return message + "\x00" + key.Tenant + "\x00" + key.ID
}

func factsOf(key EndpointKey) []slog.Attr {
	return []slog.Attr{slog.String("tenant", key.Tenant), slog.String("endpoint", key.ID)}
}

// tell passes an error to Observer.Error and to the log.
func (d *Dispatcher) tell(kind, message string, err error, facts []slog.Attr) {
	if tell := d.config.Observer.Error; tell != nil {
		full := observed(message, err, facts)
		d.observe(func() { tell(full) })
	}
	if err != nil {
		facts = append(facts, slog.String("err", err.Error()))
	}
	d.log(slog.LevelError, kind, message, facts)
}

// log writes a line, if the kind may have one now.
func (d *Dispatcher) log(level slog.Level, kind, message string, facts []slog.Attr) {
	skipped, ok := d.logged.Allow(kind, time.Now())
	if !ok {
		return
	}
	if skipped > 0 {
		facts = append(facts, slog.Int("skipped", skipped))
	}
	d.config.Logger.LogAttrs(context.Background(), level, "webhook: "+message, facts...) //nolint:sloglint // a constant of the caller
}

// observed returns the error that Observer.Error gets.
func observed(message string, err error, facts []slog.Attr) error {
	text := "webhook: " + message
	if len(facts) > 0 {
		parts := make([]string, len(facts))
		for i, fact := range facts {
			parts[i] = fact.String()
		}
		text += " (" + strings.Join(parts, " ") + ")"
	}
	if err == nil {
		return errors.New(text)
	}
	return fmt.Errorf("%s: %w", text, err)
}

// observe calls a function of the application's Observer. If it panics, the Dispatcher goes
// on.
func (d *Dispatcher) observe(tell func()) {
	var err error
	defer func() {
		if err != nil {
			const message = "a function of Config.Observer panicked"
			d.log(slog.LevelError, message, message, []slog.Attr{slog.String("err", err.Error())})
		}
	}()
	defer recovered(&err)
	tell()
}

// beginEmit calls Observer.BeginEmit. It returns the context to go on with, and the function to
// call at the end.
func (d *Dispatcher) beginEmit(ctx context.Context, events []Event) (context.Context, func([]Receipt, error)) {
	var own context.Context
	var end func([]Receipt, error)
	d.observe(func() { own, end = d.config.Observer.BeginEmit(ctx, events) })
	if own == nil {
		own = ctx
	}
	return own, func(receipts []Receipt, err error) {
		if end != nil {
			d.observe(func() { end(receipts, err) })
		}
	}
}

// beginAttempt calls Observer.BeginAttempt. It returns the context of the request, and the
// function to call at the end or nil.
func (d *Dispatcher) beginAttempt(ctx context.Context, r *Request) (context.Context, func(Attempt, Verdict)) {
	begin := d.config.Observer.BeginAttempt
	if begin == nil {
		return ctx, nil
	}
	var own context.Context
	var end func(Attempt, Verdict)
	d.observe(func() { own, end = begin(ctx, r) })
	if own == nil {
		own = ctx
	}
	return own, end
}

// logHealth writes a line when an endpoint begins or stops failing.
func (d *Dispatcher) logHealth(status *EndpointStatus) {
	switch d.failing.note(status) {
	case failingBegan:
		const message = "an endpoint is failing"
		d.log(slog.LevelWarn, kindOf(message, status.Key), message,
			append(factsOf(status.Key), slog.Int("failures", status.Failures), slog.Time("since", status.FailingSince)))
	case failingEnded:
		const message = "an endpoint has recovered"
		d.log(slog.LevelInfo, kindOf(message, status.Key), message, append(factsOf(status.Key), slog.Time("at", status.RecoveredAt)))
	}
}
