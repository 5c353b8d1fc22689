package signature

import (
	"encoding/base64"
	"strconv"
)

// Header names of Standard Webhooks 1.0.0, in the canonical form of net/http.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// AppendStandard appends one v1 signature of a message: "v1," and base64(HMAC-SHA256(key,
// id.timestamp.body)).
func (s *Scratch) AppendStandard(dst []byte, key []byte, id string, timestamp int64, body []byte) []byte {
	s.Code = append(s.Code[:0], id...)
	s.Code = append(s.Code, '.')
	s.Code = strconv.AppendInt(s.Code, timestamp, 10)
	s.Code = append(s.Code, '.')
	s.MAC.Reset(key)
	_, _ = s.MAC.Write(s.Code)
	_, _ = s.MAC.Write(body)
	s.Code = s.MAC.Sum(s.Code[:0])
	dst = append(dst, "v1,"...)
	return base64.StdEncoding.AppendEncode(dst, s.Code)
}
