package receive

// Tryno returns a verifier of Tryno's X-Tryno-Signature header. A secret is the one that Tryno gave out with the endpoint.
//
// Tryno's documentation says no more than that the header is an HMAC-SHA256 signature. This takes it to be the bare lowercase hex
// HMAC-SHA256 of the body. Event.ID is "", because requests have no id, and no timestamp is signed but the event's in the body.
//
// Source: https://docs.tryno.io/api-reference/webhooks
func Tryno(secrets ...string) (Verifier, error) {
	return hexBody("X-Tryno-Signature", "", secrets, "", withoutID)
}
