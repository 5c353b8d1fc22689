package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gowebhook/webhook/internal/lane"
	"github.com/gowebhook/webhook/internal/signature"
	"github.com/gowebhook/webhook/internal/wire"
)

const (
	userAgent = "gowebhook/0.1 (+https://github.com/gowebhook/webhook)"

	// laterDelay is the wait for a delivery that this process cannot send, though another one
	// may.
	laterDelay = 10 * time.Second
)

// attempted is the result of a delivery in this process.
type attempted struct {
	settlement Settlement
	outcome    lane.Outcome
	took       time.Duration // of the request
	cut        bool          // this process cut the request, so it is no attempt
	hold       bool          // this process cannot send to the endpoint for now
}

// A trial is a delivery with the facts that its attempt is judged by.
type trial struct {
	*work
	profile *Profile
	url     string        // of the request
	version int64         // of the endpoint's settings
	fresh   bool          // the request has a connection of its own
	health  func() Health // of the endpoint at present
}

// release returns a settlement that gives the delivery back, due at due.
func (w *work) release(due time.Time) Settlement {
	return Settlement{
		UID: w.uid, Endpoint: w.key, LeaseNo: w.leaseNo, State: DeliveryPending, DueAt: due, Failures: w.failures,
	}
}

// cancel returns a settlement that ends a delivery which must not be sent.
func (w *work) cancel(reason Reason) Settlement {
	s := w.release(time.Time{})
	s.State, s.Reason = DeliveryCanceled, reason
	return s
}

// attempt makes one request, if the endpoint may have it, and returns the consequences.
func (d *Dispatcher) attempt(ctx context.Context, w *work) attempted {
	unsent := func(s Settlement) attempted { return attempted{settlement: s, outcome: lane.Unsent} }
	err := d.time.keepUp(ctx) // the machine may have been suspended
	var setting *setting
	if err == nil {
		setting, err = d.settings.fresh(ctx, w.key)
	}
	now := d.now()
	if err != nil {
		if ctx.Err() == nil {
			d.report(fmt.Errorf("refresh: %w", err))
		}
		return unsent(w.release(now))
	}
	if setting == nil {
		return unsent(w.cancel(ReasonDeleted))
	}
	endpoint, health := setting.endpoint, setting.health.Load()
	switch {
	case endpoint.State == EndpointDisabled:
		return unsent(w.cancel(endpoint.Reason))
	case endpoint.State == EndpointPaused, !w.probe && (health.Circuit || health.BlockedUntil.After(now)):
		return unsent(w.release(now))
	case w.snapshot == nil:
		d.report(fmt.Errorf("event %s has no snapshot of endpoint %q", w.event.ID, w.key.ID))
		return unsent(w.release(now.Add(laterDelay)))
	}
	profile := d.profiles[w.snapshot.Profile]
	if profile == nil {
		d.report(fmt.Errorf("endpoint %q has the profile %q, which this process does not know", w.key.ID, w.snapshot.Profile))
		return attempted{settlement: w.release(now.Add(laterDelay)), hold: true}
	}
	timeout := d.timeout(endpoint)
	var secrets []Secret
	if endpoint, err = d.openWork(ctx, setting, w, now, timeout); err == nil {
		secrets, err = profile.keys(ctx, endpoint, now, timeout)
	}
	if err != nil {
		d.report(fmt.Errorf("keys of endpoint %q: %w", w.key.ID, err))
		return attempted{settlement: w.release(now.Add(laterDelay)), hold: true}
	}

	now = d.now() // keys may have taken a while, and receivers compare the time with theirs
	t := trial{
		work: w, profile: profile, url: endpoint.URL, version: endpoint.Version,
		health: func() Health { return d.settings.judged(setting) },
	}
	req, err := w.request(profile, endpoint, secrets, now)
	if err != nil {
		d.report(fmt.Errorf("event %s to endpoint %q: profile %q: %w", w.event.ID, w.key.ID, w.snapshot.Profile, err))
		a := w.newAttempt(now)
		a.Class, a.Error = ClassLocal, oneLine(err.Error())
		return d.conclude(t, a, nil, lane.Unsent)
	}
	if w.leaseUntil.Sub(d.now()) < timeout+leaseMargin || !d.time.isKnown() {
		return unsent(w.release(now))
	}
	if d.suspects.has(w.key, endpoint.Version) {
		req.OwnConn = true
	}
	t.url, t.fresh = req.URL, req.OwnConn
	done := d.send(ctx, t, req, timeout)
	if a := done.settlement.Attempt; a != nil {
		d.settings.note(setting, a, done.settlement.State == DeliverySucceeded)
	}
	return done
}

// send makes the request. Readings of the store's clock and of the monotonic one begin
// together, so a step of the store's clock cannot make a request seem long.
func (d *Dispatcher) send(ctx context.Context, t trial, req *Request, timeout time.Duration) attempted {
	a := t.newAttempt(req.Time)
	began := time.Now()
	deadline := began.Add(timeout)
	resp, err := d.transmit(ctx, deadline, req)
	a.Duration = time.Since(began)
	timedOut := !time.Now().Before(deadline)
	if err == nil && resp == nil {
		err = errors.New("the transport returned neither a response nor an error")
	}
	if err != nil && ctx.Err() != nil {
		return attempted{settlement: t.release(d.now()), outcome: lane.Unsent, cut: true}
	}
	if err != nil {
		a.Class, a.Error = classify(err), describe(err)
		if timedOut && !errors.Is(err, ClassBlocked) {
			a.Class = ClassTimeout
		}
		outcome := lane.Failed
		if a.Class == ClassTimeout {
			outcome = lane.TimedOut
		}
		return d.conclude(t, a, nil, outcome)
	}
	a.Status, a.ResponseBody, a.Truncated = resp.StatusCode, resp.Body, resp.Truncated
	return d.conclude(t, a, resp, lane.Answered)
}

// transmit sends a request before the deadline. A Transport of the application may panic, which
// becomes an error.
func (d *Dispatcher) transmit(ctx context.Context, deadline time.Time, req *Request) (resp *Response, err error) {
	defer func() {
		if err != nil && resp != nil {
			resp = nil
		}
	}()
	defer recovered(&err)
	if own, ok := d.transport.(*httpTransport); ok && own.wrapped == nil {
		return own.sendBy(ctx, deadline, req)
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return d.transport.Send(ctx, req)
}

// conclude judges an attempt, and returns the consequences for the delivery and the endpoint.
func (d *Dispatcher) conclude(t trial, a *Attempt, resp *Response, outcome lane.Outcome) attempted {
	now := d.now()
	s := t.release(time.Time{})
	s.Attempt, s.Version = a, t.version
	class, asOf := a.Class, now
	if class.unreachable() {
		// The tenant must not be able to tell these classes apart, not even by the time of the
		// next attempt.
		class, asOf = ClassRefused, a.StartedAt
	}
	o := Outcome{Response: resp, Class: class, URL: t.url, Failures: t.failures, Health: t.health()}
	verdict, problem := t.profile.verdict(o)
	if problem != nil {
		d.report(fmt.Errorf("profile of endpoint %q: %w", t.key.ID, problem))
	}
	doubtful := verdict == VerdictDisable && !d.confirmed(t, o)
	if doubtful {
		verdict = VerdictRetry
	}
	if verdict == VerdictSuccess {
		s.State = DeliverySucceeded
		a.Class, a.Error = "", ""
	} else {
		s.Failures++
		if resp != nil {
			a.Class, a.Error = ClassStatus, describeStatus(resp.StatusCode)
			if asked := retryAfter(resp.Header, now); asked > 0 {
				s.BlockUntil = now.Add(asked)
			}
		}
	}
	switch verdict {
	case VerdictSuccess:
		d.suspects.clear(t.key)
	case VerdictFail:
		s.State, s.Reason = DeliveryFailed, ReasonRejected
	case VerdictDisable:
		s.State, s.Reason, s.Disable = DeliveryFailed, ReasonGone, ReasonGone
	default:
		d.retry(&s, t, o, doubtful, asOf)
	}
	if tell := d.config.Observer.Attempt; tell != nil {
		d.observe(func() { tell(*a, verdict) })
	}
	return attempted{settlement: s, outcome: outcome, took: a.Duration}
}

func describeStatus(code int) string {
	text := "HTTP " + strconv.Itoa(code)
	if code >= 300 && code <= 399 {
		text += ": redirects are not followed"
	}
	return text
}

// confirmed reports whether a verdict to disable may be carried out. It may in two cases: it is
// the second in a row, on a fresh connection, or it does not follow from the answer alone. For
// example, a profile that disables after ten failures also judges by the endpoint's history.
func (d *Dispatcher) confirmed(t trial, o Outcome) bool {
	if t.test { // disables nothing
		return true
	}
	o.Failures, o.Health = 0, Health{}
	if byItself, err := t.profile.verdict(o); err == nil && byItself != VerdictDisable {
		return true
	}
	return d.suspects.confirm(t.key, t.version, t.fresh)
}

// retry makes a failed delivery due later, or gives it up. After a doubtful verdict the
// delivery is due again soon, even if the policy has no retries and this failure is its first.
func (d *Dispatcher) retry(s *Settlement, t trial, o Outcome, doubtful bool, now time.Time) {
	wait, again, err := t.profile.wait(o, d.jitter())
	if err != nil {
		d.report(fmt.Errorf("profile %q: retry: %w", t.snapshot.Profile, err))
	}
	reason := ReasonExhausted
	if maxAge := t.profile.MaxAge; again && maxAge > 0 && now.Sub(t.since) >= maxAge {
		again, reason = false, ReasonExpired
	}
	if doubtful {
		wait, again = confirmDelay, again || s.Failures == 1
	}
	if !again {
		s.State, s.Reason = DeliveryFailed, reason
		return
	}
	s.DueAt = micros(now.Add(max(wait, 0)))
	if s.Attempt.NextAt = s.DueAt; s.DueAt.Before(s.BlockUntil) {
		s.Attempt.NextAt = s.BlockUntil
	}
}

func (w *work) newAttempt(now time.Time) *Attempt {
	return &Attempt{
		Tenant: w.key.Tenant, EventID: w.event.ID, EventType: w.event.Type, EndpointID: w.key.ID,
		Number: w.attempts + 1, StartedAt: now, Test: w.test,
	}
}

// timeout returns the time limit of one request to an endpoint.
func (d *Dispatcher) timeout(e *Endpoint) time.Duration {
	if e.Timeout > 0 {
		return min(e.Timeout, d.config.MaxTimeout)
	}
	return d.config.RequestTimeout
}

// request encodes and signs a request. If the profile panics, the attempt fails and the process
// goes on.
func (w *work) request(p *Profile, endpoint *Endpoint, secrets []Secret, now time.Time) (req *Request, err error) {
	defer recovered(&err)
	m := &Message{Event: &w.event, DeliveryID: deliveryID(w.event.ID, w.key.ID), CreatedAt: w.createdAt, Endpoint: w.snapshot}
	body, err := p.Encode(m)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	req = &Request{
		Message: m, URL: endpoint.URL, Body: body, Time: now, Attempt: w.attempts + 1,
		Header: make(http.Header, 8+len(w.event.Header)+len(endpoint.Header)),
		owner:  wire.Owner{Tenant: w.key.Tenant, Endpoint: w.key.ID, Version: endpoint.Version},
	}
	for name, value := range w.event.Header {
		req.Header[name] = []string{value}
	}
	for name, value := range endpoint.Header {
		req.Header[name] = []string{string(value)}
	}
	ours := [...]string{"application/json", userAgent, w.event.ID}
	req.Header["Content-Type"], req.Header["User-Agent"] = ours[0:1:1], ours[1:2:2]
	req.Header[signature.HeaderID] = ours[2:3:3]
	if p.Header != nil {
		if err := p.Header(req); err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
	}
	for _, sign := range p.Signers {
		if err := sign(req, secrets); err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
	}
	return req, nil
}

// liveSecrets returns the secrets of an endpoint that have not expired and are open.
func liveSecrets(e *Endpoint, now time.Time) []Secret {
	secrets := make([]Secret, 0, len(e.Secrets))
	for _, s := range e.Secrets {
		if !s.expired(now) && !isSealed(s.Value) {
			secrets = append(secrets, s.Value)
		}
	}
	return secrets
}
