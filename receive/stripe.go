package receive

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const stripeName = "Stripe-Signature"

// Stripe returns a verifier of Stripe's Stripe-Signature header: "t={timestamp},v1={hex}",
// where each v1 is the hex HMAC-SHA256 of "{timestamp}.{body}". A secret is the endpoint's
// signing secret as text. Its "whsec_" is part of the key, unlike in [Standard]. Elements other
// than t and v1 are skipped. An element that is not name=value makes the header malformed.
//
// Event.ID is id of the body, which is signed. Event.Time is t, which is signed, and is new in
// each retry. A time ahead of the clock is judged too; Stripe's own libraries do not judge it.
//
// Source: https://docs.stripe.com/webhooks/signature
func Stripe(window Window, secrets ...string) (Verifier, error) {
	keys, err := plainKeys(secrets)
	if err != nil {
		return nil, err
	}
	return builtIn(func(r *http.Request, body []byte) (Event, error) {
		value, err := header(r.Header, stripeName)
		if err != nil {
			return Event{}, err
		}
		timestamp, codes, err := parseStripe(value)
		if err != nil {
			return Event{}, err
		}
		at, err := window.judgeUnix("t of "+stripeName, timestamp)
		if err != nil {
			return Event{}, err
		}
		if isHeaderOnly(r) {
			return Event{}, nil
		}
		for _, key := range keys {
			want := hexHMAC(key, []byte(timestamp+"."), body)
			if anyEqual(codes, want) {
				return Event{ID: stripeID(body), Time: at, Body: body, Header: r.Header}, nil
			}
		}
		return Event{}, ErrNoMatch
	}), nil
}

// parseStripe returns the timestamp and the v1 signatures of a Stripe-Signature.
func parseStripe(value string) (timestamp string, codes []string, err error) {
	timed := false
	for element := range strings.SplitSeq(value, ",") {
		name, text, isPair := strings.Cut(element, "=")
		switch {
		case !isPair || strings.Contains(text, "="):
			return "", nil, fmt.Errorf("%w: an element of %s is not name=value", ErrMalformed, stripeName)
		case name == "t" && timed:
			return "", nil, fmt.Errorf("%w: %s has two times", ErrMalformed, stripeName)
		case name == "t":
			timestamp, timed = text, true
		case name == "v1":
			codes = append(codes, text)
		}
	}
	if len(codes) > maxSignatures {
		return "", nil, fmt.Errorf("%w: %s has more than %d signatures", ErrMalformed, stripeName, maxSignatures)
	}
	return timestamp, codes, nil
}

func stripeID(body []byte) string {
	var fields struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return ""
	}
	return fields.ID
}
