package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook/internal/pacing"
)

// Limits of replays.
const (
	defaultReplayRate = 10
	minReplayRate     = 0.001
	maxReplayRate     = 1000
)

// Replay sends deliveries again, or sends the events that an endpoint has missed. It
// counts them first. Then it starts a job that makes them due, req.Rate a second. A
// Dispatcher that runs on the Store does the work, in this process or in another. Replay
// returns the job. Follow it with Replays, and stop it with CancelReplay.
//
// For example, this sends what an endpoint missed while it was disabled:
//
//	scope.Replay(ctx, webhook.ReplayRequest{Endpoint: id, From: disabledAt, Missed: true})
//
// The same request again, while its job is unfinished, returns that job. Jobs may
// overlap: an event never has two deliveries to one endpoint, and a pending delivery is
// left alone.
//
// The scope of all tenants replays deliveries of every tenant, for example after an
// outage of your own. There Endpoint, Event and Missed are refused: use the scope of the
// tenant.
//
// Errors:
//
//   - A [*FieldError] for input that is refused.
//   - [ErrNotFound] if there is no such endpoint.
//   - [ErrConflict] if the endpoint is disabled: enable it first.
//   - A [*FieldError] with [ErrLimit] while the tenant has 5 unfinished jobs, or all tenants
//     together have 100.
//   - A [*RateError] beyond the rate of Retry. A DryRun counts too.
func (s Scope) Replay(ctx context.Context, req ReplayRequest) (r Replay, err error) {
	defer addOperation("replay", &err)
	if err := s.check(); err != nil {
		return Replay{}, err
	}
	if req, err = req.complete(); err != nil {
		return Replay{}, err
	}
	if s.all && (req.Endpoint != "" || req.Event != "" || req.Missed) {
		return Replay{}, &FieldError{
			"ReplayRequest", "has Endpoint, Event or Missed in the scope of all tenants", "use Dispatcher.Tenant: ids are the tenant's own",
		}
	}
	if err := s.d.pay(s.retryManyTolls()...); err != nil {
		return Replay{}, err
	}
	if err := s.d.time.keepUp(ctx); err != nil {
		return Replay{}, err
	}
	if req.Endpoint != "" {
		e, err := s.stored(ctx, req.Endpoint)
		if err != nil {
			return Replay{}, fmt.Errorf("endpoint %w", err)
		}
		if e.State == EndpointDisabled {
			return Replay{}, fmt.Errorf("endpoint %q is disabled (%s); enable it first: %w", e.ID, e.Reason, ErrConflict)
		}
	}
	r = Replay{Tenant: s.tenant, AllTenants: s.all, Request: req, CreatedAt: s.d.now()}
	r.Matched, r.Exact, err = s.d.store.CountReplay(ctx, r)
	if err != nil {
		return Replay{}, err
	}
	if req.DryRun {
		return r, nil
	}
	return s.d.startReplay(ctx, r)
}

// Replays returns the jobs of Replay, Retry and Cancel, the newest first. Jobs that have
// ended stay for Retention.Events. Replays honours ReplayID, Limit and Cursor.
func (s Scope) Replays(ctx context.Context, q Query) (page Page[Replay], err error) {
	defer addOperation("list replays", &err)
	q, err = s.query(q, fieldReplayID)
	if err != nil {
		return Page[Replay]{}, err
	}
	return s.d.store.Replays(ctx, q)
}

// CancelReplay stops a job, and returns it as it is then. Its next step does not happen.
// Deliveries that it has made due stay due. The scope of all tenants can cancel every
// job.
//
// It returns [ErrNotFound] if there is no such job, and [ErrConflict] if the job has
// finished. To cancel a job twice is no error.
func (s Scope) CancelReplay(ctx context.Context, id string) (r Replay, err error) {
	defer addOperation("cancel replay", &err)
	if id == "" {
		return Replay{}, &FieldError{"id", "is empty", "name the replay"}
	}
	q, err := s.query(Query{ReplayID: id}, fieldReplayID)
	if err != nil {
		return Replay{}, err
	}
	if err := s.d.time.keepUp(ctx); err != nil {
		return Replay{}, err
	}
	return s.d.store.CancelReplay(ctx, q, s.d.now())
}

// startReplay starts a job.
func (d *Dispatcher) startReplay(ctx context.Context, r Replay) (started Replay, err error) {
	r.ID, r.Key = d.uids.Next(r.CreatedAt).String(), r.key()
	started, err = d.store.CreateReplay(ctx, r)
	if errors.Is(err, ErrLimit) {
		return Replay{}, fmt.Errorf("%w: %w", ErrLimit, &FieldError{
			"tenant", "has 5 unfinished replays, or all tenants together have 100", "wait until one has finished, or cancel one",
		})
	}
	if err != nil {
		return Replay{}, err
	}
	if session := d.session.Load(); session != nil {
		pacing.Hint(session.replayer.wanted)
	}
	return started, nil
}

// key returns a digest of everything that makes two jobs equal.
func (r *Replay) key() string {
	text, err := json.Marshal(struct {
		Tenant  string
		All     bool
		Cancels bool
		Request ReplayRequest
	}{r.Tenant, r.AllTenants, r.Cancels, r.Request})
	if err != nil {
		panic("webhook: " + err.Error()) // strings, times and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// complete checks a request and returns its normal form. Equal requests have equal forms.
func (r ReplayRequest) complete() (ReplayRequest, error) {
	r.Types, r.States = slices.Clone(r.Types), slices.Clone(r.States)
	for _, err := range []error{
		r.checkIDs(), checkPeriod("ReplayRequest.From", "ReplayRequest.To", &r.From, &r.To),
		checkPeriod("ReplayRequest.FinishedFrom", "ReplayRequest.FinishedTo", &r.FinishedFrom, &r.FinishedTo), r.checkTypes(), r.checkStates(),
	} {
		if err != nil {
			return r, err
		}
	}
	if r.Rate == 0 {
		r.Rate = defaultReplayRate
	}
	if !(r.Rate >= minReplayRate && r.Rate <= maxReplayRate) { // NaN too
		return r, &FieldError{
			"ReplayRequest.Rate", fmt.Sprintf("is %v", r.Rate), fmt.Sprintf("use %v to %v deliveries a second, or 0 for %v", minReplayRate, maxReplayRate, defaultReplayRate),
		}
	}
	return r, nil
}

func (r *ReplayRequest) checkIDs() error {
	if r.Endpoint != "" {
		if err := checkID("ReplayRequest.Endpoint", r.Endpoint); err != nil {
			return err
		}
	}
	if r.Missed && r.Endpoint == "" {
		return &FieldError{"ReplayRequest.Endpoint", "is empty beside Missed", "name the endpoint that has missed events"}
	}
	if r.Event != "" {
		return checkID("ReplayRequest.Event", r.Event)
	}
	return nil
}

// checkPeriod checks the two ends of a period, and rounds them as they are stored.
func checkPeriod(fromField, toField string, from, to *time.Time) error {
	for field, t := range map[string]*time.Time{fromField: from, toField: to} {
		if t.IsZero() {
			continue
		}
		if err := checkTime(field, *t); err != nil {
			return err
		}
	}
	*from, *to = micros(*from), micros(*to)
	if !to.IsZero() && !from.Before(*to) {
		return &FieldError{toField, "is not after " + fromField[strings.IndexByte(fromField, '.')+1:], "use a later time, or leave it out"}
	}
	return nil
}

func (r *ReplayRequest) checkTypes() error {
	if len(r.Types) > maxPatterns {
		return &FieldError{"ReplayRequest.Types", fmt.Sprintf("has %d types, more than %d", len(r.Types), maxPatterns), `use "member.*", or leave it empty for all`}
	}
	for i, typ := range r.Types {
		if err := checkPattern(fmt.Sprintf("ReplayRequest.Types[%d]", i), typ, nil); err != nil {
			return err
		}
	}
	slices.Sort(r.Types)
	r.Types = slices.Compact(r.Types)
	return nil
}

func (r *ReplayRequest) checkStates() error {
	switch {
	case r.Missed && len(r.States) > 0:
		return &FieldError{"ReplayRequest.States", "does not apply beside Missed", "leave it empty"}
	case r.Missed && !(r.FinishedFrom.IsZero() && r.FinishedTo.IsZero()):
		return &FieldError{"ReplayRequest.FinishedFrom", "and FinishedTo do not apply beside Missed", "use From and To"}
	case r.Missed:
		return nil
	case len(r.States) == 0:
		r.States = []DeliveryState{DeliveryCanceled, DeliveryFailed}
	}
	for i, state := range r.States {
		switch state {
		case DeliverySucceeded, DeliveryFailed, DeliveryCanceled:
		case DeliveryPending:
			return &FieldError{fmt.Sprintf("ReplayRequest.States[%d]", i), "is pending, so it is sent anyway", "use failed, canceled or succeeded"}
		default:
			return &FieldError{fmt.Sprintf("ReplayRequest.States[%d]", i), fmt.Sprintf("is unknown: %q", state), "use failed, canceled or succeeded"}
		}
	}
	slices.Sort(r.States)
	r.States = slices.Compact(r.States)
	return nil
}
