package webhook

import "time"

// A Delivery is one event owed to one endpoint.
type Delivery struct {
	ID         string // "<event id>.<endpoint id>"
	Tenant     string
	EventID    string
	EventType  string
	EndpointID string

	// Test says that the event is a test send, from [Scope.Test] or [Scope.TestType]. It stays
	// when the delivery is retried by hand; the attempts of the retry are no tests.
	Test bool

	State  DeliveryState
	Reason Reason // why it failed or was canceled

	// Attempts is how many requests were made and logged. It leaves out requests that were cut at shutdown or by a crash,
	// and those whose results came after the lease was lost: the log has these as Attempt.Late.
	Attempts int

	Failures int // failed attempts since it was created or retried by hand; the retry policy counts these

	DueAt    time.Time // of a pending delivery: when it is attempted next, or when its lease ends
	InFlight bool      // leased by a process: waiting in its memory, or on the wire

	CreatedAt  time.Time
	FinishedAt time.Time // zero while pending
}

// A DeliveryState is where a delivery stands.
type DeliveryState string

// Delivery states. Succeeded, failed and canceled are final until retried by hand.
const (
	DeliveryPending   DeliveryState = "pending"   // waiting, being sent, or waiting for a retry
	DeliverySucceeded DeliveryState = "succeeded" // an attempt was judged a success
	DeliveryFailed    DeliveryState = "failed"    // given up, with a Reason
	DeliveryCanceled  DeliveryState = "canceled"  // never to be sent, with a Reason
)

// An Attempt is one HTTP request of a delivery and what came back: a row of the delivery log.
type Attempt struct {
	Tenant     string
	EventID    string
	EventType  string
	EndpointID string

	// Number counts a delivery's attempts from 1, in the order in which they were begun; it goes on after a retry by
	// hand.
	Number int

	StartedAt time.Time
	Duration  time.Duration // to the end of the response, or to the failure

	Status int    // HTTP status code; 0 when no response came
	Class  Class  // what kind of failure; empty for a success
	Error  string // the failure for operators, without secrets, header values or userinfo; it may name addresses of your network

	ResponseBody []byte // the first Network.MaxResponseBytes of it, as received
	Truncated    bool   // there was more

	NextAt time.Time // when the next attempt is due; zero for none

	// Late says that it was logged by a process that had lost its lease, and did not decide the delivery's state. A process that
	// loses a lease while the Store refuses its results, and then gets the delivery again, sends no second request but stores the
	// result anew: the Late attempt is then beside one that is not, with the same StartedAt.
	Late bool

	Test bool // from Scope.Test
}

// A Class says what kind of failure an attempt met. The set is closed. A Class is an error, so that a [Transport] can
// return one, wrapped in detail: fmt.Errorf("%w: %s", webhook.ClassTLS, detail).
type Class string

// Classes. All but ClassStatus mean that no complete response came.
const (
	ClassStatus   Class = "http_status" // a response came and was judged a failure
	ClassDNS      Class = "dns"         // the host name was not resolved
	ClassRefused  Class = "refused"     // no connection was made: nothing listens there, no route leads there, or the like
	ClassReset    Class = "reset"       // the connection was closed before a complete response
	ClassTLS      Class = "tls"         // the handshake or the certificate failed
	ClassTimeout  Class = "timeout"     // no complete response within the endpoint's timeout
	ClassBlocked  Class = "blocked"     // the address may not be dialed; see Network
	ClassProtocol Class = "protocol"    // what came was not a valid HTTP response, or its header was too large
	ClassLocal    Class = "local"       // encoding or signing failed: no request was made
)

// Error returns the class as text.
func (c Class) Error() string { return string(c) }

// unreachable reports whether a class tells what the application's network is like. A
// tenant must not be able to tell these classes apart: otherwise its URLs would find the
// names and addresses inside.
func (c Class) unreachable() bool {
	return c == ClassDNS || c == ClassRefused || c == ClassBlocked
}

func deliveryID(eventID, endpointID string) string { return eventID + "." + endpointID }
