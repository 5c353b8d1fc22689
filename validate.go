package webhook

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gowebhook/webhook/internal/contract"
)

// Limits of stored values, in bytes unless said otherwise.
const (
	maxName          = 255 // tenants, ids, types, patterns, channels
	maxURL           = 2048
	maxDescription   = 1024
	maxPatterns      = 100 // subscriptions of an endpoint
	maxHeaders       = 32  // own headers of an endpoint, and of an event
	maxHeaderName    = 128
	maxHeaderValue   = 4096
	maxMetadata      = 50 // pairs
	maxMetadataValue = 1024
	maxInFlightOwn   = 1000  // requests
	minRate          = 0.001 // requests a second
	maxRate          = 10_000
	maxBurst         = 10_000 // requests
	maxSecrets       = 10     // live secrets of an endpoint
	maxSecret        = 4096
	minSecret        = 16
)

// reservedHeaders are set by the library or by HTTP itself, or would change how the request is
// sent. Idempotency-Key, for example, makes net/http repeat requests by itself.
var reservedHeaders = map[string]bool{
	"Host": true, "User-Agent": true, "Connection": true, "Keep-Alive": true, "Proxy-Connection": true,
	"Proxy-Authenticate": true, "Proxy-Authorization": true, "Te": true, "Trailer": true, "Transfer-Encoding": true,
	"Upgrade": true, "Expect": true, "Http2-Settings": true, "Idempotency-Key": true, "X-Idempotency-Key": true,
}

var reservedHeaderPrefixes = []string{"Content-", "Webhook-", "Proxy-"}

// refusedHeaders are of no use to a receiver of webhooks. In requests from the application's
// network they can change the requested resource or the apparent sender, or open metadata
// services. So endpoints cannot have them. Events can, because they are the application's.
var refusedHeaders = map[string]bool{
	"Accept-Encoding": true, "Cookie": true, "Cookie2": true, "Forwarded": true, "Range": true, "If-Range": true, "Via": true,
	"X-Method-Override": true, "X-Host": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Remote-Ip": true, "X-Remote-Addr": true,
	"X-Cluster-Client-Ip": true, "True-Client-Ip": true, "Cf-Connecting-Ip": true, "Metadata": true, "Metadata-Flavor": true,
	"X-Google-Metadata-Request": true,
}

var refusedHeaderPrefixes = []string{"X-Http-Method", "X-Original-", "X-Rewrite-", "X-Forwarded", "X-Aws-Ec2-Metadata-"}

// asServersRead returns a header's canonical name with dashes in place of underscores. Servers
// that pass headers on as CGI variables cannot tell the two apart.
func asServersRead(name string) string {
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// checkNotRefused refuses an endpoint's own header if it is only of use for abuse.
func checkNotRefused(field, name string) error {
	read := asServersRead(name)
	if refusedHeaders[read] || hasAnyPrefix(read, refusedHeaderPrefixes) {
		return &FieldError{
			field, "is refused: it changes how servers and proxies on the way take the request",
			"leave it out, or use a name that means nothing to them",
		}
	}
	return nil
}

func hasAnyPrefix(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

func checkTenant(field, tenant string) error {
	if tenant == "" {
		return &FieldError{field, "is empty", "pass a tenant id"}
	}
	return checkText(field, tenant, maxName)
}

// checkText accepts up to limit bytes of UTF-8 without control characters.
func checkText(field, s string, limit int) error {
	if len(s) > limit {
		return &FieldError{field, fmt.Sprintf("has %d bytes, more than %d", len(s), limit), "shorten it"}
	}
	if !utf8.ValidString(s) {
		return &FieldError{field, "is not valid UTF-8", "re-encode it"}
	}
	if i := strings.IndexFunc(s, isControl); i >= 0 {
		return &FieldError{field, fmt.Sprintf("has a control character at byte %d", i), "remove it"}
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// checkID accepts visible ASCII without ".". A "." separates the two halves of a delivery's id,
// and the parts that Standard Webhooks signs.
func checkID(field, id string) error {
	if id == "" {
		return &FieldError{field, "is empty", "leave it to the library, or give one"}
	}
	if len(id) > maxName {
		return &FieldError{field, fmt.Sprintf("has %d bytes, more than %d", len(id), maxName), "shorten it"}
	}
	for i, c := range []byte(id) {
		if c == '.' {
			return &FieldError{field, fmt.Sprintf(`has "." at byte %d, which signatures use as a separator`, i), "use - or _ instead"}
		}
		if c <= ' ' || c > '~' {
			return &FieldError{field, fmt.Sprintf("has %q at byte %d", id[i:i+1], i), `use visible ASCII without "."`}
		}
	}
	return nil
}

func checkType(field, typ string) error {
	if typ == "" {
		return &FieldError{field, "is empty", `name the kind of event, such as "member.joined"`}
	}
	if len(typ) > maxName {
		return &FieldError{field, fmt.Sprintf("has %d bytes, more than %d", len(typ), maxName), "shorten it"}
	}
	for i := range len(typ) {
		if !isTypeByte(typ[i]) {
			return &FieldError{field, fmt.Sprintf("has %q at byte %d", typ[i:i+1], i), `use a–z, A–Z, 0–9, "_", "." and "-"`}
		}
	}
	return nil
}

func isTypeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}

// checkNotOperational refuses the types of the library's own events.
func checkNotOperational(field, typ string) error {
	if !contract.IsOperational(typ) {
		return nil
	}
	return &FieldError{field, fmt.Sprintf("is a type of the library's own events: %q", typ), "use another type; see Notice"}
}

// checkPattern accepts a type, a type followed by ".*", and "*". With a catalogue, the pattern
// must match one of its types, or an operational one.
func checkPattern(field, pattern string, catalogue map[string]string) error {
	if pattern == "*" {
		return nil
	}
	prefix, isPrefix := strings.CutSuffix(pattern, ".*")
	if len(pattern) > maxName {
		return &FieldError{field, fmt.Sprintf("has %d bytes, more than %d", len(pattern), maxName), "shorten it"}
	}
	if isPrefix && prefix == "" {
		return &FieldError{field, `has nothing before ".*"`, `put the beginning of the types before it, as in "member.*", or use "*" for all`}
	}
	if strings.Contains(prefix, "*") {
		return &FieldError{field, `has "*" in a place other than after the last "."`, `use an exact type, "member.*" or "*"`}
	}
	if err := checkType(field, prefix); err != nil {
		return err
	}
	if len(catalogue) == 0 {
		return nil
	}
	matches := func(typ string) bool { return typ == pattern || isPrefix && strings.HasPrefix(typ, prefix+".") }
	if slices.ContainsFunc(contract.OperationalTypes[:], matches) {
		return nil
	}
	for typ := range catalogue {
		if matches(typ) {
			return nil
		}
	}
	return &FieldError{field, fmt.Sprintf("matches no event type: %q", pattern), "use " + listTypes(catalogue)}
}

// listTypes lists the types of the catalogue, at most ten of them.
func listTypes(catalogue map[string]string) string {
	const most = 10
	types := slices.Sorted(maps.Keys(catalogue))
	if len(types) > most {
		return strings.Join(types[:most], ", ") + fmt.Sprintf(" or one of %d others", len(types)-most)
	}
	return strings.Join(types, ", ")
}

// checkHeader accepts a header that RFC 9110 §5 allows and that the application may set.
func checkHeader(field, name, value string) error {
	field += "[" + strconv.Quote(clip(name, maxHeaderName)) + "]"
	switch {
	case name == "":
		return &FieldError{field, "has an empty name", "name the header"}
	case len(name) > maxHeaderName:
		return &FieldError{field, fmt.Sprintf("has a name of %d bytes, more than %d", len(name), maxHeaderName), "shorten it"}
	case len(value) > maxHeaderValue:
		return &FieldError{field, fmt.Sprintf("has a value of %d bytes, more than %d", len(value), maxHeaderValue), "shorten it"}
	}
	for i := range len(name) {
		if !isTokenByte(name[i]) {
			return &FieldError{field, fmt.Sprintf("has %q in its name", name[i:i+1]), "use the characters of an HTTP token, RFC 9110 §5.6.2"}
		}
	}
	if value != strings.Trim(value, " \t") {
		return &FieldError{field, "has a value that begins or ends with white space", "trim it"}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return &FieldError{field, fmt.Sprintf("has a byte 0x%02x in its value", c), "use visible ASCII, spaces and tabs"}
		}
	}
	if read := asServersRead(name); reservedHeaders[read] || hasAnyPrefix(read, reservedHeaderPrefixes) {
		return &FieldError{field, "is reserved", "choose another name; profiles may set it"}
	}
	return nil
}

// isTokenByte reports whether c may be in a header name: tchar of RFC 9110 §5.6.2.
func isTokenByte(c byte) bool {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// checkHeaders accepts a set of headers and returns it with canonical names.
func checkHeaders[V ~string](field string, headers map[string]V) (map[string]V, error) {
	if len(headers) == 0 {
		return nil, nil
	}
	if len(headers) > maxHeaders {
		return nil, &FieldError{field, fmt.Sprintf("has %d headers, more than %d", len(headers), maxHeaders), "send fewer"}
	}
	canonical := make(map[string]V, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if err := checkHeader(field, name, string(headers[name])); err != nil {
			return nil, err
		}
		key := http.CanonicalHeaderKey(name)
		if _, twice := canonical[key]; twice {
			return nil, &FieldError{field, fmt.Sprintf("has %q twice, in different case", key), "keep one"}
		}
		canonical[key] = headers[name]
	}
	return canonical, nil
}

func checkMetadata(metadata map[string]string) error {
	const field = "Endpoint.Metadata"
	if len(metadata) > maxMetadata {
		return &FieldError{field, fmt.Sprintf("has %d pairs, more than %d", len(metadata), maxMetadata), "keep less"}
	}
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if key == "" {
			return &FieldError{field, "has an empty key", "name it"}
		}
		if err := checkText(field, key, maxName); err != nil {
			return err
		}
		if err := checkText(field+"["+strconv.Quote(key)+"]", metadata[key], maxMetadataValue); err != nil {
			return err
		}
	}
	return nil
}

// checkPatterns accepts an endpoint's subscriptions.
func checkPatterns(patterns []string, catalogue map[string]string) error {
	const field = "Endpoint.Events"
	if len(patterns) == 0 {
		return &FieldError{field, "is empty", `subscribe to a type, to "member.*", or to "*" for all`}
	}
	if len(patterns) > maxPatterns {
		return &FieldError{field, fmt.Sprintf("has %d patterns, more than %d", len(patterns), maxPatterns), `use "member.*" or "*"`}
	}
	for i, pattern := range patterns {
		at := field + "[" + strconv.Itoa(i) + "]"
		if err := checkPattern(at, pattern, catalogue); err != nil {
			return err
		}
		if slices.Contains(patterns[:i], pattern) {
			return &FieldError{at, fmt.Sprintf("is there twice: %q", pattern), "remove one"}
		}
	}
	return nil
}

// Times outside these years do not fit a store's 64 bits of microseconds, or RFC 3339.
const (
	minYear = 1
	maxYear = 9999
)

func checkTime(field string, t time.Time) error {
	if y := t.UTC().Year(); y < minYear || y > maxYear {
		return &FieldError{field, fmt.Sprintf("is in the year %d", y), "use a year from 1 to 9999"}
	}
	return nil
}

// clip shortens s for an error message.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
