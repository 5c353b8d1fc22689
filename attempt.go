package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gowebhook/webhook/internal/lane"
)

const (
	userAgent = "gowebhook/0.1 (+https://github.com/gowebhook/webhook)"

	// laterDelay is when a delivery is due again that this process cannot send, though another one may.
	laterDelay = 10 * time.Second
)

// attempted is what became of a delivery in this process's hands.
type attempted struct {
	settlement Settlement
	outcome    lane.Outcome
	took       time.Duration // of the request
	cut        bool          // the request was cut by us: it is no attempt
}

// release gives a delivery back, due at due.
func (w *work) release(due time.Time) Settlement {
	return Settlement{
		UID: w.uid, Endpoint: w.key, LeaseNo: w.leaseNo, State: DeliveryPending, DueAt: due, Failures: w.failures,
	}
}

// cancel ends a delivery that must not be sent any more.
func (w *work) cancel(reason Reason) Settlement {
	s := w.release(time.Time{})
	s.State, s.Reason = DeliveryCanceled, reason
	return s
}

// attempt makes one request, if the endpoint may have it, and says what follows.
func (d *Dispatcher) attempt(ctx context.Context, w *work) attempted {
	unsent := func(s Settlement) attempted { return attempted{settlement: s, outcome: lane.Unsent} }
	setting, err := d.settings.fresh(ctx, w.key)
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
		return unsent(w.release(now.Add(laterDelay)))
	}
	secrets, err := profile.keys(ctx, endpoint, now)
	if err != nil {
		d.report(fmt.Errorf("keys of endpoint %q: %w", w.key.ID, err))
		return unsent(w.release(now.Add(laterDelay)))
	}

	req, err := w.request(profile, endpoint, secrets, now)
	if err != nil {
		a := w.newAttempt(now)
		a.Class, a.Error = ClassLocal, err.Error()
		return d.conclude(w, profile, *health, a, nil, lane.Unsent)
	}
	timeout := d.timeout(endpoint)
	if w.leaseUntil.Sub(d.now()) < timeout+leaseMargin {
		return unsent(w.release(now))
	}
	return d.send(ctx, w, profile, *health, req, timeout)
}

// send makes the request. The store's clock and the monotonic one begin together, so that a step of the clock cannot make a
// request seem long.
func (d *Dispatcher) send(ctx context.Context, w *work, profile *Profile, health Health, req *Request, timeout time.Duration) attempted {
	a := w.newAttempt(req.Time)
	bounded, cancel := context.WithTimeout(ctx, timeout)
	began := time.Now()
	resp, err := d.transport.Send(bounded, req)
	a.Duration = time.Since(began)
	timedOut := bounded.Err() != nil
	cancel()
	if err == nil && resp == nil {
		err = errors.New("the transport returned neither a response nor an error")
	}
	if err != nil && ctx.Err() != nil {
		return attempted{settlement: w.release(d.now()), outcome: lane.Unsent, cut: true}
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
		return d.conclude(w, profile, health, a, nil, outcome)
	}
	a.Status, a.ResponseBody, a.Truncated = resp.StatusCode, resp.Body, resp.Truncated
	return d.conclude(w, profile, health, a, resp, lane.Answered)
}

// conclude judges an attempt and says what follows for the delivery and the endpoint.
func (d *Dispatcher) conclude(w *work, profile *Profile, health Health, a *Attempt, resp *Response, outcome lane.Outcome) attempted {
	now := d.now()
	s := w.release(time.Time{})
	s.Attempt = a
	verdict, problem := profile.verdict(Outcome{Response: resp, Class: a.Class, Failures: w.failures, Health: health})
	if problem != nil {
		d.report(fmt.Errorf("profile of endpoint %q: %w", w.key.ID, problem))
	}
	if verdict == VerdictSuccess {
		s.State = DeliverySucceeded
		a.Class, a.Error = "", ""
	} else {
		s.Failures++
		if resp != nil {
			a.Class, a.Error = ClassStatus, "HTTP "+strconv.Itoa(resp.StatusCode)
			if asked := retryAfter(resp.Header, now); asked > 0 {
				s.BlockUntil = now.Add(asked)
			}
		}
	}
	switch verdict {
	case VerdictSuccess:
	case VerdictFail:
		s.State, s.Reason = DeliveryFailed, ReasonGivenUp
	case VerdictDisable:
		s.State, s.Reason, s.Disable = DeliveryFailed, ReasonGone, ReasonGone
	default:
		d.retry(&s, w, profile, now)
	}
	if d.config.Observer.Attempt != nil {
		d.config.Observer.Attempt(*a, verdict)
	}
	return attempted{settlement: s, outcome: outcome, took: a.Duration}
}

// retry makes a failed delivery due later, or gives it up.
func (d *Dispatcher) retry(s *Settlement, w *work, profile *Profile, now time.Time) {
	wait, again := profile.Retry(s.Failures, d.jitter())
	if !again || profile.MaxAge > 0 && now.Sub(w.since) >= profile.MaxAge {
		s.State, s.Reason = DeliveryFailed, ReasonGivenUp
		return
	}
	s.DueAt = micros(now.Add(max(wait, 0)))
	if s.DueAt.Before(s.BlockUntil) {
		s.DueAt = s.BlockUntil
	}
	s.Attempt.NextAt = s.DueAt
}

func (w *work) newAttempt(now time.Time) *Attempt {
	return &Attempt{
		Tenant: w.key.Tenant, EventID: w.event.ID, EventType: w.event.Type, EndpointID: w.key.ID,
		Number: w.attempts + 1, StartedAt: now,
	}
}

// timeout is how long one request to an endpoint may take.
func (d *Dispatcher) timeout(e *Endpoint) time.Duration {
	if e.Timeout > 0 {
		return min(e.Timeout, d.config.MaxTimeout)
	}
	return d.config.RequestTimeout
}

// request encodes and signs. A profile that panics fails the attempt, not the process.
func (w *work) request(p *Profile, endpoint *Endpoint, secrets []Secret, now time.Time) (req *Request, err error) {
	defer recovered(&err)
	m := &Message{Event: w.event, DeliveryID: deliveryID(w.event.ID, w.key.ID), CreatedAt: w.createdAt, Endpoint: w.snapshot}
	body, err := p.Encode(m)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	req = &Request{
		Message: m, URL: endpoint.URL, Body: body, Time: now, Attempt: w.attempts + 1,
		Header: make(http.Header, 8+len(w.event.Header)+len(endpoint.Header)),
	}
	for name, value := range w.event.Header {
		req.Header[name] = []string{value}
	}
	for name, value := range endpoint.Header {
		req.Header[name] = []string{string(value)}
	}
	req.Header["Content-Type"] = contentType
	req.Header["User-Agent"] = userAgentValue
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

// Shared header values; nobody changes them in place.
var (
	contentType    = []string{"application/json"}
	userAgentValue = []string{userAgent}
)

// keys returns what to sign with, the newest first.
func (p *Profile) keys(ctx context.Context, e *Endpoint, now time.Time) (secrets []Secret, err error) {
	defer recovered(&err)
	if p.Keys != nil {
		return p.Keys(ctx, e)
	}
	return liveSecrets(e, now), nil
}

// liveSecrets returns the secrets of an endpoint that have not expired.
func liveSecrets(e *Endpoint, now time.Time) []Secret {
	secrets := make([]Secret, 0, len(e.Secrets))
	for _, s := range e.Secrets {
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(now) {
			secrets = append(secrets, s.Value)
		}
	}
	return secrets
}

// verdict asks Judge. If it panics, or says what it must not, the delivery is retried.
func (p *Profile) verdict(o Outcome) (v Verdict, err error) {
	defer func() {
		if err != nil {
			v = VerdictRetry
		}
	}()
	defer recovered(&err)
	switch v = p.Judge(o); v {
	case "":
		return judgeStandard(o), nil
	case VerdictSuccess, VerdictRetry, VerdictFail, VerdictDisable:
		return v, nil
	default:
		return v, fmt.Errorf("Judge returned %q", string(v))
	}
}

// recovered turns a panic of the application's code into an error, without its value, which might hold anything.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %T", p)
	}
}
