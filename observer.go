package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook/internal/contract"
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

	// Disabled is called when the result of an attempt has disabled its endpoint. It is called
	// for the same notices as Notice, of the type "webhook.endpoint.disabled" only.
	Disabled func(EndpointKey, Reason)

	// Notice is called when the status of an endpoint has changed, when an endpoint was
	// disabled for the results of its attempts, and when a delivery has failed for good; also
	// if Notice.Silent is set. Each notice is given once over all processes, after the Store has
	// recorded the change. It is lost if the process ends at that moment. The operational event
	// is not lost then. So prefer an event where a notice must not be missed.
	Notice func(Notice)

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
	d.observe(func() { own, end = d.config.Observer.BeginEmit(ctx, events) }) //nolint:fatcontext // own is new in each call
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
	d.observe(func() { own, end = begin(ctx, r) }) //nolint:fatcontext // own is new in each call
	if own == nil {
		own = ctx
	}
	return own, end
}

// logCircuit writes a line when a result opens or closes the circuit of an endpoint, as far as
// this process saw.
func (d *Dispatcher) logCircuit(status *EndpointStatus) {
	if !status.Circuit {
		const message = "the circuit of an endpoint is closed"
		d.log(slog.LevelInfo, kindOf(message, status.Key), message, factsOf(status.Key))
		return
	}
	const message = "the circuit of an endpoint is open"
	d.log(slog.LevelWarn, kindOf(message, status.Key), message, append(factsOf(status.Key), factsOfHealth(&status.Health)...))
}

func factsOfHealth(h *Health) []slog.Attr {
	facts := []slog.Attr{
		slog.Int("failures", h.Failures), slog.Time("since", h.FailingSince),
		slog.String("class", string(h.LastClass)), slog.Int("status", h.LastStatus),
	}
	if !h.BlockedUntil.IsZero() {
		facts = append(facts, slog.Time("until", h.BlockedUntil))
	}
	return facts
}

// notice passes notices to the Observer and to the log. The Store may have made events of them,
// whose deliveries are due at once.
func (d *Dispatcher) notice(list []Notice) {
	for i := range list {
		n := &list[i]
		d.logNotice(n)
		if n.Type == contract.TypeDisabled {
			d.pruneSoon()
			if tell := d.config.Observer.Disabled; tell != nil {
				d.observe(func() { tell(n.Endpoint, n.Reason) })
			}
		}
		if tell := d.config.Observer.Notice; tell != nil {
			d.observe(func() { tell(*n) })
		}
	}
	if s := d.session.Load(); s != nil && slices.ContainsFunc(list, func(n Notice) bool { return !n.Silent }) {
		s.wake()
	}
}

// logNotice writes a line about an endpoint. A delivery that has failed gets none.
func (d *Dispatcher) logNotice(n *Notice) {
	facts := append(factsOf(n.Endpoint), factsOfHealth(&n.Health)...)
	switch n.Type {
	case contract.TypeFailing:
		const message = "an endpoint is failing"
		d.log(slog.LevelWarn, kindOf(message, n.Endpoint), message, facts)
	case contract.TypeDisabling:
		const message = "an endpoint will be disabled soon"
		d.log(slog.LevelWarn, kindOf(message, n.Endpoint), message, facts)
	case contract.TypeDisabled:
		const message = "an endpoint was disabled"
		d.log(slog.LevelWarn, kindOf(message, n.Endpoint), message, append(facts, slog.String("reason", string(n.Reason))))
	case contract.TypeRecovered:
		const message = "an endpoint has recovered"
		d.log(slog.LevelInfo, kindOf(message, n.Endpoint), message, append(factsOf(n.Endpoint), slog.Time("at", n.Health.RecoveredAt)))
	}
}
