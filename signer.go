package webhook

import (
	"errors"
	"strconv"
	"strings"

	"github.com/gowebhook/webhook/internal/signature"
)

// A Signer signs a request: it reads Body and the other parts that its scheme covers, and sets
// headers. The secrets are the endpoint's live secrets, newest first, or the result of
// Profile.Keys. A scheme that allows several signatures makes one with each secret, so that
// receivers can rotate at their own pace.
//
// A Signer must be safe for concurrent use and change nothing but Header. If it returns an error,
// the attempt fails with ClassLocal. The error must not contain a secret.
//
// When an endpoint is created or its secret rotated, the Signer runs once on a sample request with
// the body {} and the event id "sample". It may thereby refuse a secret that it cannot use.
type Signer func(req *Request, secrets []Secret) error

var errNoSecret = errors.New("there is no secret to sign with")

// SignStandard signs as Standard Webhooks 1.0.0 says. It sets webhook-id to the event's id,
// webhook-timestamp to the attempt's time in Unix seconds, and webhook-signature to one "v1,"
// signature for each secret: the HMAC-SHA256 of "{id}.{timestamp}.{body}". Secrets are base64 of 24
// to 64 bytes, with or without "whsec_".
//
// A secret that begins with "whsk_" is an Ed25519 private key and makes a "v1a," signature.
// Receivers verify it with the public key, so nobody can sign with a stolen copy of their
// configuration. See [IssueEd25519]. While a rotation overlaps, an endpoint may have secrets of
// both kinds and gets both signatures.
func SignStandard(req *Request, secrets []Secret) error {
	if len(secrets) == 0 {
		return errNoSecret
	}
	s := signature.GetScratch()
	defer signature.PutScratch(s)

	// The timestamp and the signatures are built in one buffer and become one string, split in two.
	timestamp := req.Time.Unix()
	s.Text = strconv.AppendInt(s.Text, timestamp, 10)
	digits := len(s.Text)
	for i, secret := range secrets {
		if i > 0 {
			s.Text = append(s.Text, ' ')
		}
		if strings.HasPrefix(string(secret), signature.PrivatePrefix) {
			key, err := signature.ParsePrivateKey(string(secret))
			if err != nil {
				return err
			}
			s.Text = s.AppendStandardEd25519(s.Text, key, req.Event.ID, timestamp, req.Body)
			continue
		}
		var err error
		if s.Key, err = signature.AppendKey(s.Key[:0], string(secret)); err != nil {
			return err
		}
		s.Text = s.AppendStandard(s.Text, s.Key, req.Event.ID, timestamp, req.Body)
	}
	text := string(s.Text)
	req.set(signature.HeaderID, req.Event.ID)
	req.set(signature.HeaderTimestamp, text[:digits])
	req.set(signature.HeaderSignature, text[digits:])
	return nil
}
