package webhook

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// A Profile says how to speak to an endpoint: the form of its requests, the retry policy, and
// which responses are successes. The zero value is Standard Webhooks 1.0.0. Each field has a
// default of its own, so a profile may replace one part or all of them. The profile "standard"
// is the zero value with DeliveryControl.
//
// The functions are called concurrently. They must not keep or change their arguments, except
// the Request.
//
// Register profiles by name in Config.Profiles. The name is stored with each endpoint.
type Profile struct {
	// Encode makes the body. It must be a pure function of the message, because every attempt
	// of a delivery has the same body. Defaults to compact JSON,
	// {"type":…,"timestamp":…,"data":…}, with Event.Time in RFC 3339 UTC with milliseconds.
	Encode func(*Message) ([]byte, error)

	// Header sets headers of the profile. It runs after the library and the endpoint have set
	// theirs, and before Signers. It may set Request.OwnConn too.
	//
	// It may remove a header of the library, for example with r.Header.Del("Webhook-Id").
	// Without webhook-id, receivers need another way to drop repeats. Defaults to no headers.
	Header func(*Request) error

	// Signers sign the request, in order. Several signers let receivers migrate from one scheme
	// to another. To send unsigned requests, use one that does nothing. Defaults to
	// SignStandard.
	//
	// Every request has the event's id in the header webhook-id, so that receivers can drop
	// repeats. A signature covers the id only if the Signer includes it, as SignStandard does.
	// See HMAC.Content.
	Signers []Signer

	// Keys returns the signing keys, newest first, in place of the endpoint's own secrets. It
	// is meant for schemes with one key for each tenant. If it fails, the delivery is tried
	// again in 10 seconds and no attempt is counted. Defaults to the endpoint's live secrets.
	Keys func(context.Context, *Endpoint) ([]Secret, error)

	// Retry says when to try again. Defaults to 15 retries over about three days: the first
	// after 10 seconds, then after twice as long each time, at most a day. Each wait is up to
	// 20 % longer at random.
	Retry RetryPolicy

	// MaxAge is how long a delivery is retried, counted from when it was first due or last
	// retried by hand. It is tested after each failed attempt. Zero means no limit but Retry.
	//
	// The time for which a due delivery waits to be sent does not count. A delivery waits while
	// its endpoint is paused or blocked, while a circuit is open, while Endpoint.Rate allows no
	// request, and while all processes are busy or stopped. Request.Since does not change with
	// it.
	MaxAge time.Duration

	// Judge decides the outcome of an attempt. It must be a pure function, because it may be
	// called twice for one attempt. Where it returns the empty Verdict, or is nil, 2xx is a
	// success, 410 Gone disables the endpoint, and every other outcome is retried. Redirects
	// are failures and are not followed.
	//
	// One answer alone disables nothing. If Judge returns VerdictDisable, it is asked again with
	// zero Failures and Health. If it returns VerdictDisable again, the answer alone decided,
	// and the attempt counts as VerdictRetry. The delivery is tried again after a second with
	// Request.OwnConn, even if Retry allows no first retry. A second such verdict disables the
	// endpoint. A success in between ends the suspicion.
	Judge func(Outcome) Verdict

	// DeliveryControl lets receivers control deliveries by the response header webhook-delivery,
	// a proposal for Standard Webhooks. Its values are compared without regard to case:
	//
	//	disable         disables the endpoint as 410 Gone does, after a second such answer
	//	abort-message   fails this delivery for good, with ReasonAborted
	//
	// The header is ignored with other values, with a status of 2xx, and if Judge returns
	// VerdictSuccess. Otherwise "disable" replaces the verdict of Judge, and "abort-message"
	// replaces VerdictRetry. After a first 410 with "abort-message" the next delivery makes the
	// request that may confirm it. An aborted attempt counts for the endpoint's health as any
	// failure does, and its Retry-After counts too. False ignores the header.
	DeliveryControl bool

	// Test makes the event of a test send. The library sets Tenant and ID. Defaults to type
	// "test.ping" with the data {}.
	Test func(*Endpoint) Event

	// Check may refuse an endpoint when it is created or updated, for example because its
	// Metadata lacks a value. Its error is returned unchanged. A *FieldError tells the customer
	// what to do. Defaults to nil, which refuses nothing.
	Check func(*Endpoint) error

	// Issue fills in the empty ID and Secret of a new endpoint, and makes the new Secret of a
	// rotation, where ID is set. A field that it leaves empty gets the default: a UUIDv7 as ID,
	// and a Standard Webhooks secret of 32 random bytes.
	Issue func(*Endpoint) error
}

// A Message is the input of Profile.Encode. It is the same for every attempt of a delivery.
type Message struct {
	Event      *Event // Data is a json.RawMessage
	DeliveryID string
	CreatedAt  time.Time // of the delivery

	// Endpoint has Tenant, ID, URL, Profile, Metadata and Version as they were when the
	// delivery was created. Its other fields are empty.
	Endpoint *Endpoint
}

// A Verdict is the consequence of an attempt for its delivery.
type Verdict string

// Verdicts.
const (
	VerdictSuccess Verdict = "success" // delivered
	VerdictRetry   Verdict = "retry"   // failed; try again as RetryPolicy says
	VerdictFail    Verdict = "fail"    // failed for good, with ReasonRejected; ReasonAborted if the receiver asked for it
	VerdictDisable Verdict = "disable" // failed for good, and the endpoint is disabled, with ReasonGone; see Profile.Judge
)

// An Outcome describes an attempt to Profile.Judge and Profile.Retry. Its Class does not tell
// why a receiver is unreachable, because tenants see the verdict. They could otherwise find
// names and addresses inside the application's network. [Attempt] has the true class, for
// operators.
type Outcome struct {
	Response *Response // nil when there was none
	Class    Class     // the failure if there was no response; ClassRefused stands for ClassDNS and ClassBlocked too
	URL      string    // of the request
	Failures int       // failed attempts of the delivery before this one, since it was created or retried by hand

	// Health is the endpoint's health before this attempt, as this process last got it from the
	// Store. Failures that a later success in this process has ended are left out.
	Health Health
}

// judgeStandard is the default of Profile.Judge.
func judgeStandard(o Outcome) Verdict {
	switch {
	case o.Response == nil:
		return VerdictRetry
	case isSuccess(o.Response.StatusCode):
		return VerdictSuccess
	case o.Response.StatusCode == http.StatusGone:
		return VerdictDisable
	default:
		return VerdictRetry
	}
}

// standardProfile is the name of the profile that every Dispatcher has.
const standardProfile = "standard"

// complete returns p with its defaults filled in.
func (p Profile) complete() Profile {
	if p.Encode == nil {
		p.Encode = encodeStandard
	}
	if p.Signers == nil {
		p.Signers = []Signer{SignStandard}
	}
	if p.Retry == nil {
		p.Retry = defaultRetry
	}
	if p.Judge == nil {
		p.Judge = judgeStandard
	}
	return p
}

// check asks Check about an endpoint. Check must not change anything of it.
func (p *Profile) check(e *Endpoint) (err error) {
	if p.Check == nil {
		return nil
	}
	defer recovered(&err)
	asked := *e
	asked.URL = shownURL(e.URL)
	return p.Check(&asked)
}

// issue fills in ID and Secret where they are empty.
func (p *Profile) issue(e *Endpoint) (err error) {
	defer recovered(&err)
	if p.Issue != nil && (e.ID == "" || e.Secret == "") {
		id, secret := e.ID, e.Secret
		if err := p.Issue(e); err != nil {
			return err
		}
		if id != "" {
			e.ID = id
		}
		if secret != "" {
			e.Secret = secret
		}
	}
	if e.Secret == "" {
		e.Secret = newSecret()
	}
	return nil
}

// keys returns the signing keys, the newest first.
func (p *Profile) keys(ctx context.Context, e *Endpoint, now time.Time, timeout time.Duration) (secrets []Secret, err error) {
	if p.Keys == nil {
		return liveSecrets(e, now), nil
	}
	defer recovered(&err)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return p.Keys(ctx, e)
}

// wait asks Retry. If Retry panics, the default policy counts.
func (p *Profile) wait(o Outcome, u float64) (wait time.Duration, again bool, err error) {
	defer func() {
		if err != nil {
			wait, again = defaultRetry(o, u)
		}
	}()
	defer recovered(&err)
	wait, again = p.Retry(o, u)
	return wait, again, nil
}

// verdict asks Judge. If Judge panics or returns an unknown verdict, the delivery is retried.
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

// testEvent returns the profile's test event.
func (p *Profile) testEvent(endpoint *Endpoint) (event Event, err error) {
	defer recovered(&err)
	if p.Test != nil {
		return p.Test(endpoint), nil
	}
	return Event{Type: "test.ping", Data: struct{}{}}, nil
}
