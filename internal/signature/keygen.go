package signature

import (
	"crypto/sha256"
	"encoding/base64"
)

// KeygenHeaders is the list of what AppendKeygen covers, as Keygen-Signature names it.
const KeygenHeaders = "(request-target) host date digest"

// AppendKeygen appends the text that Keygen signs, in the manner of draft-cavage-http-signatures: method is in lower case, target
// the path and query, host without a port, date and digest the values of those headers.
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

// BodyDigest returns the Digest header of RFC 3230 for a body, by SHA-256.
func BodyDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=" + base64.StdEncoding.EncodeToString(sum[:])
}
