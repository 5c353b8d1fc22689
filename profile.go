package webhook

import (
	"context"
	"net/http"
	"time"
)

// A Profile is how an endpoint is spoken to: what its requests look like, when they are repeated, and what counts as a
// success. Its zero value is Standard Webhooks 1.0.0; every field stands for itself, so a profile changes one thing or all.
// Functions are called concurrently and must not keep or change what they are given, except the Request.
//
// Profiles are registered under a name in Config.Profiles, and the name is stored with each endpoint.
type Profile struct {
	// Encode makes the body. It must be a pure function of the message, because every attempt of a delivery has the same
	// body. Defaults to {"type":…,"timestamp":…,"data":…}, compact, with Event.Time in RFC 3339 UTC with milliseconds.
	Encode func(*Message) ([]byte, error)

	// Header sets headers of its own, after the library's and the endpoint's, and before Signers; it may set OwnConn, too.
	// It may remove headers of the library, such as webhook-id: with r.Header.Del("Webhook-Id"). Receivers then need another
	// way to drop repeats. Defaults to none.
	Header func(*Request) error

	// Signers sign the request, in order; several let receivers migrate from one scheme to another. Every request has the
	// event's id in the header webhook-id, whatever signs it, so that receivers can drop repeats. A signature covers the
	// id only if the Signer says so, as SignStandard does: see HMAC.Content. Defaults to SignStandard. To send unsigned
	// requests, give one that does nothing.
	Signers []Signer

	// Keys returns the keys to sign with, the newest first, in place of the endpoint's own secrets: for schemes with a
	// key for each tenant. When it fails, the delivery is tried again in 10 seconds and no attempt is counted. Defaults to
	// the endpoint's live secrets.
	Keys func(context.Context, *Endpoint) ([]Secret, error)

	// Retry says when to try again. Defaults to 15 retries over about three days: after 10 seconds, then twice as long each
	// time, at most a day, and each wait up to 20 % longer at random.
	Retry RetryPolicy

	// MaxAge is how long a delivery is retried, from when it was first due or last retried by hand. It is tested after a
	// failed attempt. Zero means that only Retry ends it.
	MaxAge time.Duration

	// Judge decides what an attempt means. Where it returns the empty Verdict, as everywhere when it is nil, 2xx is a success,
	// 410 Gone disables the endpoint, and everything else is retried; redirects are failures and are not followed.
	//
	// One answer alone disables nothing. If Judge returns VerdictDisable also without Failures and Health, the attempt counts as
	// VerdictRetry and the delivery is tried again after a second, with Request.OwnConn, even if Retry allows no first retry.
	// The endpoint is disabled if that answer is judged in the same way. A success in between ends the suspicion.
	Judge func(Outcome) Verdict

	// Test makes the event of a test send. Tenant and ID are set by the library. Defaults to type "test.ping" with the
	// data {}.
	Test func(*Endpoint) Event

	// Check refuses an endpoint that the profile could not work with, when it is created or updated: because of its Metadata, say. Its
	// error is returned as it is; a *FieldError tells the customer what to do. Defaults to nil, which refuses nothing.
	Check func(*Endpoint) error

	// Issue fills in ID and Secret of a new endpoint where they are empty, and makes the new Secret of a rotation (with ID
	// set). What it leaves empty gets the default: a UUIDv7, and a Standard Webhooks secret of 32 random bytes.
	Issue func(*Endpoint) error
}

// A Message is what a body is made from. It is the same for every attempt of a delivery.
type Message struct {
	Event      *Event // Data is a json.RawMessage
	DeliveryID string
	CreatedAt  time.Time // of the delivery

	// Endpoint has Tenant, ID, URL, Profile, Metadata and Version as they were when the delivery was created, and nothing
	// else.
	Endpoint *Endpoint
}

// A Verdict is what an attempt means for its delivery.
type Verdict string

// Verdicts.
const (
	VerdictSuccess Verdict = "success" // delivered
	VerdictRetry   Verdict = "retry"   // failed; try again as RetryPolicy says
	VerdictFail    Verdict = "fail"    // failed for good, with ReasonRejected
	VerdictDisable Verdict = "disable" // failed for good, and the endpoint is disabled, with ReasonGone; see Profile.Judge
)

// An Outcome is what Judge decides on. Its Class does not tell why a receiver cannot be
// reached, because the tenant sees the verdict and could find out about names and
// addresses inside the application's network. [Attempt] has the true class, for operators.
type Outcome struct {
	Response *Response // nil when none came
	Class    Class     // the failure when none came; empty otherwise; ClassRefused stands for ClassDNS and ClassBlocked too
	URL      string    // where the request went
	Failures int       // failed attempts of the delivery before this one, since it was created or retried by hand
	Health   Health    // of the endpoint, as of the last claim or settle, without failures that a success in this process has ended
}

// judgeStandard is what counts unless a profile says otherwise.
func judgeStandard(o Outcome) Verdict {
	switch {
	case o.Response == nil:
		return VerdictRetry
	case o.Response.StatusCode >= 200 && o.Response.StatusCode <= 299:
		return VerdictSuccess
	case o.Response.StatusCode == http.StatusGone:
		return VerdictDisable
	default:
		return VerdictRetry
	}
}

// standardProfile is the name of the zero Profile, which every Dispatcher has.
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
