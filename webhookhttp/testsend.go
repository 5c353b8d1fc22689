package webhookhttp

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gowebhook/webhook"
)

func (x *exchange) testEndpoint() error {
	eventType, err := x.testType()
	if err != nil {
		return err
	}
	a, err := x.scope().TestType(x.r.Context(), x.r.PathValue("webhook_id"), eventType)
	if errors.Is(err, webhook.ErrInFlight) {
		x.w.Header().Set("Retry-After", "5")
		return refuse(http.StatusTooManyRequests, codeTestRunning, "", "a test of this webhook is running already, or you have too many tests running",
			"wait for it to end, then send the request again")
	}
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, attemptOf(&a))
}

// testType reads the event type from the body. It returns "" for the profile's test event.
func (x *exchange) testType() (string, error) {
	members, err := x.body(false, only("type"))
	if err != nil || len(members) == 0 {
		return "", err
	}
	eventType, err := decodeString(members[0].field, members[0].value)
	if err != nil || eventType == x.h.testType {
		return "", err
	}
	if !x.hasEventType(eventType) {
		return "", invalidField("type", fmt.Sprintf("is not one of your event types: %q", clip(eventType)),
			"use a type from /event-types, or leave the body empty to send the test event")
	}
	return eventType, nil
}
