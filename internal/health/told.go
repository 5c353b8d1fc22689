package health

import (
	"strconv"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
)

// quiet is how long an endpoint gives no second operational event of a type.
const quiet = time.Hour

// Told remembers the latest operational event of each type about an endpoint. The zero value
// means none.
type Told [len(contract.OperationalTypes)]told

type told struct {
	at       int64 // microseconds since 1970; 0 for never
	withheld int   // notices since then
}

// note fills in Withheld and Silent of a notice, and remembers it.
func (t *Told) note(n *webhook.Notice) {
	for i, kind := range contract.OperationalTypes {
		if kind != n.Type {
			continue
		}
		one, now := &t[i], n.Time.UnixMicro()
		if one.at != 0 && now < one.at+quiet.Microseconds() {
			one.withheld++
			n.Silent = true
			return
		}
		n.Withheld = one.withheld
		*one = told{at: now}
		return
	}
}

// String returns t as a store keeps it: "at:withheld" for each type, separated by commas. A type
// without events is empty, and so is the zero value.
func (t Told) String() string {
	if t == (Told{}) {
		return ""
	}
	parts := make([]string, len(t))
	for i, one := range t {
		if one != (told{}) {
			parts[i] = strconv.FormatInt(one.at, 10) + ":" + strconv.Itoa(one.withheld)
		}
	}
	return strings.Join(parts, ",")
}

// ParseTold reads the form of String. It passes over parts that it cannot read, so the worst
// result is an event too many.
func ParseTold(text string) (t Told) {
	for i, part := range strings.Split(text, ",") {
		at, withheld, ok := strings.Cut(part, ":")
		if !ok || i >= len(t) {
			continue
		}
		when, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			continue
		}
		n, err := strconv.Atoi(withheld)
		if err != nil {
			continue
		}
		t[i] = told{at: when, withheld: max(n, 0)} //nolint:gosec // i is below len(t)
	}
	return t
}
