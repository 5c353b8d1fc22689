package receive

import (
	"net/http"
	"time"
)

// An Event is a request that has been verified.
type Event struct {
	// ID is the same in all repeats of the event. The constructor of the Verifier says where
	// the ID is from, and whether it is signed. "" if the scheme or the request has none.
	ID string

	// Time is the time of signing. Zero if the scheme signs no timestamp.
	Time time.Time

	// Body is the signed text: the bytes of the request's body, except that [KeywordsAI] may
	// have signed another spelling of it.
	Body []byte

	// Header is the request's. Only the parts that the constructor of the Verifier names are
	// signed.
	Header http.Header
}

// A Verifier checks the signature of a request. The body has been read and is a separate
// argument, with every byte as it arrived. If the request must not be trusted, the Verifier
// returns an error that wraps [ErrMissingHeader], [ErrMalformed], [ErrTooOld], [ErrTooNew] or
// [ErrNoMatch]. The event shares r.Header and body.
//
// The verifiers of this package read the Header of r. Keygen's also read its Method, Host,
// RequestURI and URL. They read nothing else, so code without a server can make an
// [http.Request] with these fields.
//
// They compare in constant time. Their time and memory are proportional to the body: one HMAC
// of it for each secret, or up to eight Ed25519 hashes of it for each public key. They may be
// called concurrently.
type Verifier func(r *http.Request, body []byte) (Event, error)
