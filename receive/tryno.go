package receive

// Tryno returns a verifier of Tryno's X-Tryno-Signature header. A secret is the one that Tryno
// gave out with the endpoint.
//
// Tryno's documentation says only that the header is an HMAC-SHA256 signature. This verifier
// expects the bare lowercase hex HMAC-SHA256 of the body. Event.ID is "", because requests have
// no id. The only signed timestamp is the event's, in the body.
//
// Source: https://docs.tryno.io/api-reference/webhooks
func Tryno(secrets ...string) (Verifier, error) {
	return hexBody("X-Tryno-Signature", "", secrets, "", withoutID)
}
