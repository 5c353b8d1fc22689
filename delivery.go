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

	// LastStatus and LastClass are the Status and the Class of the latest attempt that Attempts
	// counts. A retry by hand keeps them. Before the first attempt they are zero.
	LastStatus int   // HTTP status code; 0 without a response
	LastClass  Class // empty for a success

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

func deliveryID(eventID, endpointID string) string { return eventID + "." + endpointID }

// A Reason says why an endpoint is disabled, or why a delivery ended without success.
type Reason string

// Reasons of a disabled endpoint. Its canceled deliveries have the same reason. A paused endpoint
// may have ReasonOperator.
const (
	ReasonCustomer Reason = "customer" // disabled through UpdateEndpoint
	ReasonOperator Reason = "operator" // suspended by the scope of all tenants, which alone can lift it; see Scope.UpdateEndpoint
	ReasonFailing  Reason = "failing"  // nothing succeeded for days: see HealthPolicy.DisableAfter
	ReasonGone     Reason = "gone"     // the receiver answered 410 Gone or webhook-delivery: disable, twice in a row, or Judge returned VerdictDisable
)

// Reasons of a delivery alone.
const (
	ReasonDeleted   Reason = "deleted"   // canceled: the endpoint was deleted
	ReasonCanceled  Reason = "canceled"  // canceled by Scope.Cancel or Scope.CancelDelivery
	ReasonExhausted Reason = "exhausted" // failed: no retries were left
	ReasonExpired   Reason = "expired"   // failed: it is older than the profile's MaxAge
	ReasonRejected  Reason = "rejected"  // failed: Judge returned VerdictFail
	ReasonAborted   Reason = "aborted"   // failed: the receiver asked for no retry; see Profile.DeliveryControl
)
