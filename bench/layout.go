package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	bodySize = 1024 // of what is signed and sent, about
	secret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

	eventType = "bench.sent"
)

// Groups of endpoints: the first part of their paths.
const (
	healthy = "healthy"
	dead    = "dead" // also the id of the one endpoint that is not healthy
)

// A layout is which endpoints there are: so many of each tenant, all of which receive the tenant's events.
type layout struct {
	Tenants int
	Fanout  int

	Noisy bool // the last endpoint of the only tenant is dead
	Dead  bool // an endpoint of a further tenant is dead
}

// turn is the tenant whose turn it is.
func (l layout) turn(n int) int { return n % l.Tenants }

// An endpoint is where a peer sends.
type endpoint struct {
	ID     string
	Tenant string
	URL    string
}

// Addresses are where a receiver listens: for the dead endpoint apart, so that it can be closed to it alone.
type addresses struct{ Healthy, Dead string }

// count is how many endpoints there are.
func (l layout) count() int {
	if l.Dead {
		return l.Tenants*l.Fanout + 1
	}
	return l.Tenants * l.Fanout
}

// endpoints returns those at a receiver, each tenant's side by side.
func (l layout) endpoints(at addresses) []endpoint {
	all := make([]endpoint, 0, l.count()+1)
	for i := range l.Tenants * l.Fanout {
		all = append(all, endpoint{endpointID(i), tenantID(i / l.Fanout), endpointURL(at, i)})
	}
	switch {
	case l.Noisy:
		last := &all[len(all)-1]
		last.ID, last.URL = dead, deadURL(at)
	case l.Dead:
		all = append(all, endpoint{dead, dead, deadURL(at)})
	}
	return all
}

func endpointID(i int) string { return "h" + strconv.Itoa(i) }
func tenantID(i int) string   { return "tenant_" + strconv.Itoa(i) }

func endpointURL(at addresses, i int) string {
	return at.Healthy + "/" + healthy + "/" + strconv.Itoa(i)
}

func deadURL(at addresses) string { return at.Dead + "/" + dead + "/0" }

// text is what every event carries.
var text = strings.Repeat("0123456789abcdef", bodySize/16)[:bodySize-114]

// eventData is the data of an event. It says when it was emitted.
func eventData(n int, text string) []byte { // text needs no escapes
	return fmt.Appendf(nil, `{"at":%d,"n":%d,"text":"%s"}`, time.Now().UnixNano(), n, text)
}

var atKey = []byte(`"at":`)

// emittedAt finds in a body when its event was emitted, in nanoseconds; 0 if it does not say.
func emittedAt(body []byte) int64 {
	_, after, found := bytes.Cut(body, atKey)
	if !found {
		return 0
	}
	var at int64
	for _, c := range bytes.TrimLeft(after, " ") { // PostgreSQL's jsonb writes one
		if c < '0' || c > '9' {
			break
		}
		at = 10*at + int64(c-'0')
	}
	return at
}
