package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gowebhook/webhook/internal/lane"
	"github.com/gowebhook/webhook/internal/sender"
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
	result     lane.Result
	took       time.Duration // of the request
	cut        bool          // this process cut the request, so it is no attempt
	exclude    bool          // this process cannot send to the endpoint for now
}

// A trial is a delivery on its way through an attempt. Its parts are allocated together.
type trial struct {
	*work
	profile *Profile
	version int64           // of the endpoint
	cached  *cachedEndpoint // the copy of the endpoint; nil for a test
	health  Health          // of the endpoint when the attempt began

	excused bool // the endpoint has no part in a failure

	message  Message
	request  Request
	response Response
	secrets  [2]Secret // room for the usual number

	end func(Attempt, Verdict) // of Observer.BeginAttempt, or nil
}

// attempt makes one request, if the endpoint may have it, and returns the consequences.
func (d *Dispatcher) attempt(ctx context.Context, w *work) attempted {
	unsent := func(s Settlement) attempted { return attempted{settlement: s, result: lane.Unsent} }
	err := d.time.keepUp(ctx) // the machine may have been suspended
	var cached *cachedEndpoint
	if err == nil {
		cached, err = d.endpoints.fresh(ctx, w.key)
	}
	now := d.now()
	if err != nil {
		if ctx.Err() == nil {
			d.report("an endpoint cannot be read", err, factsOf(w.key)...)
		}
		return unsent(w.release(now))
	}
	if cached == nil {
		return unsent(w.cancel(ReasonDeleted))
	}
	endpoint, health := cached.endpoint, cached.health.Load()
	switch {
	case endpoint.State == EndpointDisabled:
		return unsent(w.cancel(endpoint.Reason))
	case endpoint.State == EndpointPaused, !w.probe && (health.Circuit || health.BlockedUntil.After(now)):
		return unsent(w.release(now))
	case w.snapshot == nil:
		d.reportOf(w.key, "a delivery has no snapshot of its endpoint", nil, slog.String("event", w.event.ID))
		return unsent(w.release(now.Add(laterDelay)))
	}
	profile := d.profiles[w.snapshot.Profile]
	if profile == nil {
		d.reportOf(w.key, "this process does not have the profile of an endpoint", nil, slog.String("profile", w.snapshot.Profile))
		return attempted{settlement: w.release(now.Add(laterDelay)), exclude: true}
	}
	timeout := d.timeout(endpoint)
	t := &trial{work: w, profile: profile, cached: cached, health: d.endpoints.judged(cached)}
	opened, err := d.openWork(ctx, cached, w, now, timeout)
	var secrets []Secret
	switch {
	case err != nil:
	case profile.Keys == nil:
		secrets = appendLiveSecrets(t.secrets[:0], &opened.endpoint, now)
	default:
		secrets, err = profile.keys(ctx, &opened.endpoint, now, timeout)
	}
	if err != nil {
		d.reportOf(w.key, "the keys of an endpoint cannot be read", err)
		return attempted{settlement: w.release(now.Add(laterDelay)), exclude: true}
	}

	now = d.now() // keys may have taken a while, and receivers compare the time with theirs
	t.request.checked = opened.target
	if err := t.prepare(&opened.endpoint, secrets, now); err != nil {
		d.reportOf(w.key, "a request cannot be made", err, slog.String("event", w.event.ID), slog.String("profile", w.snapshot.Profile))
		a := w.newAttempt(now)
		a.Class, a.Error = ClassLocal, sender.OneLine(err.Error())
		return d.conclude(t, a, nil, lane.Unsent)
	}
	if w.leaseUntil.Sub(d.now()) < timeout+leaseMargin || !d.time.isKnown() {
		return unsent(w.release(now))
	}
	if d.suspects.has(w.key, t.version) {
		t.request.OwnConn = true
	}
	done := d.send(ctx, t, timeout)
	if a := done.settlement.Attempt; a != nil && !done.settlement.Excused {
		d.endpoints.note(cached, a, done.settlement.State == DeliverySucceeded)
	}
	return done
}

// send makes the request of a trial. Readings of the store's clock and of the monotonic one
// begin together, so a step of the store's clock cannot make a request seem long.
func (d *Dispatcher) send(ctx context.Context, t *trial, timeout time.Duration) attempted {
	a := t.newAttempt(t.request.Time)
	sending, end := d.beginAttempt(ctx, &t.request)
	t.end = end
	began := time.Now()
	deadline := began.Add(timeout)
	resp, err := d.transmit(sending, deadline, t)
	a.Duration = time.Since(began)
	timedOut := !time.Now().Before(deadline)
	if err == nil && resp == nil {
		err = errors.New("the transport returned neither a response nor an error")
	}
	if err != nil && ctx.Err() != nil {
		if end != nil {
			d.observe(func() { end(*a, "") })
		}
		return attempted{settlement: t.release(d.now()), result: lane.Unsent, cut: true}
	}
	if err != nil {
		a.Class, a.Error = sender.Classify[Class](err), sender.Describe[Class](err)
		if timedOut && !errors.Is(err, ClassBlocked) {
			a.Class = ClassTimeout
		}
		result := lane.Failed
		if a.Class == ClassTimeout {
			result = lane.TimedOut
		}
		t.excused = sender.IsExcused[Class](err)
		return d.conclude(t, a, nil, result)
	}
	a.Status, a.ResponseBody, a.Truncated = resp.StatusCode, resp.Body, resp.Truncated
	return d.conclude(t, a, resp, lane.Answered)
}

// transmit sends the request before the deadline. A Transport of the application may panic,
// which becomes an error.
func (d *Dispatcher) transmit(ctx context.Context, deadline time.Time, t *trial) (resp *Response, err error) {
	defer func() {
		if err != nil && resp != nil {
			resp = nil
		}
	}()
	defer recovered(&err)
	if own, ok := d.transport.(httpTransport); ok {
		return &t.response, own.sendBy(ctx, deadline, &t.request, &t.response)
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return d.transport.Send(ctx, &t.request)
}

// conclude judges an attempt, and returns the consequences for the delivery and the endpoint.
func (d *Dispatcher) conclude(t *trial, a *Attempt, resp *Response, result lane.Result) attempted {
	now := d.now()
	s := t.release(time.Time{})
	s.Attempt, s.Version = a, t.version
	if t.cached != nil {
		s.Announce = t.cached.announce
	}
	class, asOf := a.Class, now
	if class.unreachable() {
		// The tenant must not be able to tell these classes apart, not even by the time of the
		// next attempt.
		class, asOf = ClassRefused, a.StartedAt
	}
	o := Outcome{Response: resp, Class: class, URL: t.request.URL, Failures: t.failures, Health: d.healthOf(t)}
	j := d.judge(t, o)
	if j.verdict == VerdictSuccess {
		s.State = DeliverySucceeded
		a.Class, a.Error = "", ""
	} else {
		s.Failures++
		if resp != nil {
			a.Class, a.Error = ClassStatus, describeStatus(resp.StatusCode)
		}
		if !t.test {
			d.weigh(&s, t, failure{response: resp, verdict: j.said, from: asOf, now: now})
		}
	}
	switch j.verdict {
	case VerdictSuccess:
		d.suspects.clear(t.key)
	case VerdictFail:
		s.State, s.Reason = DeliveryFailed, j.reason
	case VerdictDisable:
		s.State, s.Reason, s.Disable = DeliveryFailed, ReasonGone, ReasonGone
	default:
		d.retry(&s, t, o, j.doubtful, asOf)
	}
	if tell := d.config.Observer.Attempt; tell != nil {
		d.observe(func() { tell(*a, j.verdict) })
	}
	if t.end != nil {
		d.observe(func() { t.end(*a, j.verdict) })
	}
	return attempted{settlement: s, result: result, took: a.Duration}
}

// weigh adds the consequences of a failed attempt for its endpoint.
func (d *Dispatcher) weigh(s *Settlement, t *trial, f failure) {
	if s.Attempt.Class == ClassLocal || t.excused {
		s.Excused = true
		return
	}
	f.health, f.failures, f.startedAt = t.health, t.failures, s.Attempt.StartedAt
	f.recent, f.u = d.endpoints.recent(t.cached), d.jitter()
	r := d.config.Health.rule(&f)
	s.BlockUntil, s.OpenCircuit, s.Holds, s.Throttles = micros(r.blockUntil), r.openCircuit, r.holds, r.throttles
	s.Status, s.Disable, s.FailingSince = r.status, r.disable, r.failingSince
}

func describeStatus(code int) string {
	text := "HTTP " + strconv.Itoa(code)
	if code >= 300 && code <= 399 {
		text += ": redirects are not followed"
	}
	return text
}

// retry makes a failed delivery due later, or gives it up. After a doubtful verdict the
// delivery is due again soon, even if the policy has no retries and this failure is its first.
func (d *Dispatcher) retry(s *Settlement, t *trial, o Outcome, doubtful bool, now time.Time) {
	wait, again, err := t.profile.wait(o, d.jitter())
	if err != nil {
		d.reportOf(t.key, "Profile.Retry failed", err, slog.String("profile", t.snapshot.Profile))
	}
	reason := ReasonExhausted
	if maxAge := t.profile.MaxAge; again && maxAge > 0 && now.Sub(t.since)-t.waited >= maxAge {
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

// timeout returns the time limit of one request to an endpoint.
func (d *Dispatcher) timeout(e *Endpoint) time.Duration {
	if e.Timeout > 0 {
		return min(e.Timeout, d.config.MaxTimeout)
	}
	return d.config.RequestTimeout
}

// healthOf returns the health that an attempt is judged by.
func (d *Dispatcher) healthOf(t *trial) Health {
	if t.cached == nil {
		return t.health
	}
	return d.endpoints.judged(t.cached)
}

// prepare encodes and signs the request. If the profile panics, the attempt fails and the
// process goes on.
func (t *trial) prepare(endpoint *Endpoint, secrets []Secret, now time.Time) (err error) {
	defer recovered(&err)
	event, req, p := &t.event, &t.request, t.profile
	t.version, req.URL = endpoint.Version, endpoint.URL
	t.message = Message{Event: event, DeliveryID: deliveryID(event.ID, t.key.ID), CreatedAt: t.createdAt, Endpoint: t.snapshot}
	if req.Body, err = p.Encode(&t.message); err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	req.Message, req.Time, req.Attempt, req.Since = &t.message, now, t.attempts+1, t.since
	req.owner = wire.Owner{Tenant: t.key.Tenant, Endpoint: t.key.ID, Version: endpoint.Version}
	given := len(event.Header) + len(endpoint.Header)
	req.Header = make(http.Header, 8+given)
	values := make([]string, 0, given)
	for name, value := range event.Header {
		values = append(values, value)
		req.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	for name, value := range endpoint.Header {
		values = append(values, string(value))
		req.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	req.set("Content-Type", "application/json")
	req.set("User-Agent", userAgent)
	req.set(signature.HeaderID, event.ID)
	if p.Header != nil {
		if err := p.Header(req); err != nil {
			return fmt.Errorf("header: %w", err)
		}
	}
	for _, sign := range p.Signers {
		if err := sign(req, secrets); err != nil {
			return fmt.Errorf("signing: %w", err)
		}
	}
	return nil
}

// liveSecrets returns the secrets of an endpoint that have not expired and are open.
func liveSecrets(e *Endpoint, now time.Time) []Secret {
	return appendLiveSecrets(make([]Secret, 0, len(e.Secrets)), e, now)
}

func appendLiveSecrets(secrets []Secret, e *Endpoint, now time.Time) []Secret {
	for _, s := range e.Secrets {
		if !s.expired(now) && !isSealed(s.Value) {
			secrets = append(secrets, s.Value)
		}
	}
	return secrets
}
