package receive

import (
	"net/http"
	"time"
)

// An Event is a request that has been verified.
type Event struct {
	// ID is what repeats of the event have in common: see the constructor of the Verifier for where it is from, and whether it
	// is signed. "" if the scheme has none, or the request is without.
	ID string

	// Time is when the request was signed. Zero if the scheme signs no timestamp.
	Time time.Time

	// Body is what was signed: the bytes of the request's body, except that [KeywordsAI] may have signed another spelling of it.
	Body []byte

	// Header is the request's. Nothing in it is signed but what the constructor of the Verifier says.
	Header http.Header
}

// A Verifier checks the signature of a request, whose body has been read and is given apart, to the last byte as it arrived. It
// returns an error that wraps [ErrMissingHeader], [ErrMalformed], [ErrTooOld], [ErrTooNew] or [ErrNoMatch] if the request must not
// be trusted. The event shares r.Header and body.
//
// Those of this package read the Header of r, Keygen's also its Method, Host, RequestURI and URL, and nothing else: where there is
// no server, make an [http.Request] with these. They compare in constant time, and take time and memory in proportion to the body:
// an HMAC of it for each secret, and an Ed25519 signature's hash for each public key, eight times at most. They may be called concurrently.
type Verifier func(r *http.Request, body []byte) (Event, error)
