package signature

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far a timestamp may be from the verifier's clock, either way. Every
// reference library uses this value.
const Tolerance = 5 * time.Minute

// maxSignatures bounds the work that one header can cause. Senders send one signature for each
// live secret.
const maxSignatures = 64

// Errors of VerifyStandard tell which check failed.
var (
	ErrMissing     = errors.New("a webhook header is missing")
	ErrTimestamp   = errors.New("the timestamp is not a whole number of seconds")
	ErrTooOld      = errors.New("the timestamp is too old")
	ErrTooNew      = errors.New("the timestamp is in the future")
	ErrTooMany     = errors.New("there are too many signatures")
	ErrNoSignature = errors.New("no signature matches")
)

// VerifyStandard checks the three headers and the body of a Standard Webhooks request against
// one secret. Signatures of versions other than v1 are skipped. Comparison takes constant time.
func VerifyStandard(secret, id, timestamp, signatures string, body []byte, now time.Time) error {
	if id == "" || timestamp == "" || signatures == "" {
		return ErrMissing
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || timestamp[0] == '+' {
		return ErrTimestamp
	}
	switch age := now.Unix() - seconds; {
	case age > int64(Tolerance/time.Second):
		return ErrTooOld
	case -age > int64(Tolerance/time.Second):
		return ErrTooNew
	}
	if strings.Count(signatures, " ") >= maxSignatures {
		return ErrTooMany
	}
	s := GetScratch()
	defer PutScratch(s)
	if s.Key, err = AppendKey(s.Key, secret); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	const version = "v1,"
	s.Text = s.AppendStandard(s.Text, s.Key, id, seconds, body)
	want, _ := base64.StdEncoding.AppendDecode(nil, s.Text[len(version):])
	for one := range strings.SplitSeq(signatures, " ") {
		encoded, isV1 := strings.CutPrefix(one, version)
		if !isV1 {
			continue
		}
		got, err := base64.StdEncoding.DecodeString(encoded)
		if err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrNoSignature
}
