package main

import (
	"fmt"
	"strconv"
)

const (
	secret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	eventType = "bench.sent"

	// The endpoint that hangs also gets the events of its backlog.
	backlogType = "bench.backlog"
)

// Groups of endpoints: the first part of their paths. An endpoint in one of the last two groups
// has the id of its group.
const (
	healthy = "healthy"
	hanging = "hanging"
	past    = "past" // received the deliveries that finished before a round
)

// Targets are the endpoints of a variant. Each of them receives all events of its tenant.
type targets struct {
	Tenants   int
	Endpoints int  // of each tenant
	Hangs     bool // the last endpoint takes long to answer
	TLS       bool // each endpoint has an address of its own, 127.1.x.y
}

// An endpoint is a place that a peer sends to.
type endpoint struct {
	ID, Tenant, URL string
}

// turn returns the tenant of event n.
func (t targets) turn(n int) int { return n % t.Tenants }

// endpoints returns all endpoints; those of a tenant are side by side.
func (t targets) endpoints(at addresses) []endpoint {
	all := make([]endpoint, t.Tenants*t.Endpoints)
	for i := range all {
		host := "http://" + at.Plain
		if t.TLS {
			host = fmt.Sprintf("https://127.1.%d.%d:%d", i/256, i%256, at.TLSPort)
		}
		number := strconv.Itoa(i)
		all[i] = endpoint{"h" + number, tenantID(i / t.Endpoints), host + "/" + healthy + "/" + number}
	}
	if t.Hangs {
		last := &all[len(all)-1]
		last.ID, last.URL = hanging, "http://"+at.Plain+"/"+hanging+"/0"
	}
	return all
}

// pastEndpoint gets the history of a database, and the first events of a sender.
func pastEndpoint(at addresses) endpoint {
	return endpoint{past, past, "http://" + at.Plain + "/" + past + "/0"}
}

func tenantID(n int) string {
	if n == pastTenant {
		return past
	}
	return "tenant_" + strconv.Itoa(n)
}
