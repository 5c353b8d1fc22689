package webhook

import "time"

// An Attempt is one try to send a delivery and its outcome, a row of the delivery log. An
// attempt with ClassLocal failed before its request was made.
type Attempt struct {
	Tenant     string
	EventID    string
	EventType  string
	EndpointID string

	// Number counts a delivery's attempts from 1, in the order of their beginning. It goes on
	// after a retry by hand.
	Number int

	StartedAt time.Time
	Duration  time.Duration // to the end of the response, or to the failure

	Status int    // HTTP status code; 0 without a response
	Class  Class  // the kind of failure; empty for a success
	Error  string // for operators, without secrets, header values or userinfo; it may name addresses of your network

	ResponseBody []byte // the first Network.MaxResponseBytes of it, as received
	Truncated    bool   // there was more

	NextAt time.Time // when the next attempt is due; zero for none

	// Late says that the process had lost its lease when it logged the attempt, so the attempt
	// did not decide the delivery's state.
	//
	// A process may lose a lease while the Store refuses its result, and then claim the delivery
	// again. It sends no second request, but stores the result anew. The log then has two
	// attempts with the same StartedAt, one of them Late.
	Late bool

	Test bool // from Scope.Test or Scope.TestType
}

// A Class is the kind of failure of an attempt. New classes may be added. A Class is an error,
// so that a [Transport] can return one with details:
//
//	fmt.Errorf("%w: %s", webhook.ClassTLS, detail)
type Class string

// Classes. All but ClassStatus mean that there was no complete response.
const (
	ClassStatus   Class = "http_status" // the response was judged a failure
	ClassDNS      Class = "dns"         // the host name was not resolved
	ClassRefused  Class = "refused"     // no connection was made: no listener, no route, or the like
	ClassReset    Class = "reset"       // the connection was closed before a complete response
	ClassTLS      Class = "tls"         // the handshake or the certificate failed
	ClassTimeout  Class = "timeout"     // no complete response within the endpoint's timeout
	ClassBlocked  Class = "blocked"     // the address may not be dialed; see Network
	ClassProtocol Class = "protocol"    // the response was not valid HTTP, or its header was too large
	ClassLocal    Class = "local"       // encoding or signing failed: no request was made
)

// Error returns the class as text.
func (c Class) Error() string { return string(c) }

// unreachable reports whether c is one of the classes that tenants must not be able to tell
// apart. Otherwise a tenant could find names and addresses inside the application's network
// with its URLs.
func (c Class) unreachable() bool {
	return c == ClassDNS || c == ClassRefused || c == ClassBlocked
}
