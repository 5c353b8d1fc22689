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

	// Attempts is the number of logged attempts, without those with Attempt.Late. Requests that
	// were cut at shutdown or by a crash are not logged.
	Attempts int

	Failures int // failed attempts since it was created or retried by hand; the retry policy counts these

	DueAt    time.Time // of a pending delivery: when it is attempted next, or when its lease ends
	InFlight bool      // leased by a process: waiting in its memory, or on the wire

	CreatedAt  time.Time
	FinishedAt time.Time // zero while pending
}

// A DeliveryState is the state of a delivery.
type DeliveryState string

// Delivery states. Succeeded, failed and canceled are final until retried by hand.
const (
	DeliveryPending   DeliveryState = "pending"   // waiting, being sent, or waiting for a retry
	DeliverySucceeded DeliveryState = "succeeded" // an attempt was judged a success
	DeliveryFailed    DeliveryState = "failed"    // given up, with a Reason
	DeliveryCanceled  DeliveryState = "canceled"  // never to be sent, with a Reason
)

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

func deliveryID(eventID, endpointID string) string { return eventID + "." + endpointID }

// A Reason says why an endpoint is disabled, or why a delivery ended without success.
type Reason string

// Reasons of a disabled endpoint. Its canceled deliveries have the same reason.
const (
	ReasonCustomer Reason = "customer" // disabled through UpdateEndpoint
	ReasonOperator Reason = "operator" // suspended by the scope of all tenants, which alone can lift it; see Scope.UpdateEndpoint
	ReasonFailing  Reason = "failing"  // nothing succeeded for days: see HealthPolicy.DisableAfter
	ReasonGone     Reason = "gone"     // the receiver answered 410 Gone twice in a row, or Judge returned VerdictDisable
)

// Reasons of a delivery alone.
const (
	ReasonDeleted   Reason = "deleted"   // canceled: the endpoint was deleted
	ReasonCanceled  Reason = "canceled"  // canceled by Scope.Cancel or Scope.CancelDelivery
	ReasonExhausted Reason = "exhausted" // failed: no retries were left
	ReasonExpired   Reason = "expired"   // failed: it is older than the profile's MaxAge
	ReasonRejected  Reason = "rejected"  // failed: Judge returned VerdictFail
)
