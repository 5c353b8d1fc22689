package signature

import (
	"crypto/sha256"
	"encoding/base64"
)

// KeygenHeaders lists the parts that AppendKeygen covers, in the form of Keygen-Signature.
const KeygenHeaders = "(request-target) host date digest"

// AppendKeygen appends the text that Keygen signs, in the manner of
// draft-cavage-http-signatures. method is in lower case. target is the path and query. host has
// no port. date and digest are the values of these headers.
func AppendKeygen(dst []byte, method, target, host, date, digest string) []byte {
	dst = append(dst, "(request-target): "...)
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	dst = append(dst, "\nhost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\ndate: "...)
	dst = append(dst, date...)
	dst = append(dst, "\ndigest: "...)
	return append(dst, digest...)
}

// BodyDigest returns the Digest header (RFC 3230) of a body, by SHA-256.
func BodyDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=" + base64.StdEncoding.EncodeToString(sum[:])
}
