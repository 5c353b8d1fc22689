package webhookhttp

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gowebhook/webhook"
)

// classUnreachable stands for every class that would reveal the application's network. Such an
// attempt shows no response time either, because the time would reveal the same.
const classUnreachable = "unreachable"

// A logJSON is an attempt in the log of an endpoint.
type logJSON struct {
	ID             string     `json:"id"`
	Event          string     `json:"event"` // equal to EventType; Tryno's log uses this name
	EventID        string     `json:"event_id"`
	EventType      string     `json:"event_type"`
	DeliveryID     string     `json:"delivery_id"`
	Attempt        int        `json:"attempt"`
	StatusCode     *int       `json:"status_code"`
	ResponseTimeMS *int64     `json:"response_time_ms"`
	Class          *string    `json:"class"`
	Test           bool       `json:"test"`
	CreatedAt      timestamp  `json:"created_at"`
	NextAttemptAt  *timestamp `json:"next_attempt_at"`
}

// An attemptJSON is an attempt with the receiver's response.
type attemptJSON struct {
	logJSON

	ResponseBody         *string `json:"response_body"`
	ResponseBodyEncoding *string `json:"response_body_encoding"`
	ResponseTruncated    bool    `json:"response_truncated"`
}

func logOf(a *webhook.Attempt) logJSON {
	delivery := deliveryID(a.EventID, a.EndpointID)
	entry := logJSON{
		ID: delivery + "." + strconv.Itoa(a.Number), Event: a.EventType, EventID: a.EventID, EventType: a.EventType, DeliveryID: delivery, Attempt: a.Number,
		StatusCode: optionalOf(a.Status), Class: classOf(a.Class), Test: a.Test,
		CreatedAt: timestamp(a.StartedAt), NextAttemptAt: optionalTime(a.NextAt),
	}
	if !isUnreachable(a.Class) && a.Class != webhook.ClassLocal { // of which nothing was sent
		ms := a.Duration.Round(time.Millisecond).Milliseconds()
		entry.ResponseTimeMS = &ms
	}
	return entry
}

// classOf returns a class as customers see it, or nil for a success.
func classOf(c webhook.Class) *string {
	if isUnreachable(c) {
		c = classUnreachable
	}
	return optionalOf(string(c))
}

// shownClasses are the classes that customers see.
var shownClasses = []webhook.Class{
	webhook.ClassStatus, classUnreachable, webhook.ClassTimeout, webhook.ClassTLS, webhook.ClassReset, webhook.ClassProtocol,
	webhook.ClassLocal,
}

// class reads a class as customers see it. ClassRefused selects every class that they see as
// unreachable. The names of these classes are refused, because each would select a part of them.
func (p *paging) class(name string) (webhook.Class, error) {
	shown := func(s string) bool { return slices.Contains(shownClasses, webhook.Class(s)) }
	c, err := p.text(name, shown, "use http_status, unreachable, timeout, tls, reset, protocol or local")
	if c == classUnreachable {
		c = string(webhook.ClassRefused)
	}
	return webhook.Class(c), err
}

// isUnreachable reports whether customers see a class as unreachable.
func isUnreachable(c webhook.Class) bool {
	return c == webhook.ClassDNS || c == webhook.ClassRefused || c == webhook.ClassBlocked
}

func attemptOf(a *webhook.Attempt) attemptJSON {
	entry := attemptJSON{logJSON: logOf(a), ResponseTruncated: a.Truncated}
	if len(a.ResponseBody) == 0 {
		return entry
	}
	body, encoding := string(a.ResponseBody), "utf-8"
	if !utf8.ValidString(body) {
		body, encoding = base64.StdEncoding.EncodeToString(a.ResponseBody), "base64"
	}
	entry.ResponseBody, entry.ResponseBodyEncoding = &body, &encoding
	return entry
}

func deliveryID(eventID, endpointID string) string { return eventID + "." + endpointID }
