package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// bodySize is about the number of bytes that are signed and sent.
const bodySize = 1024

// pastTenant is the number of a tenant outside the targets.
const pastTenant = -1

// An event is emitted by a caller.
type event struct {
	N      int
	Tenant int
	Data   []byte
}

var text = strings.Repeat("0123456789abcdef", bodySize/16)[:bodySize-114]

// newEvent returns an event whose data has the present time.
func newEvent(n, tenant int) event {
	return event{n, tenant, fmt.Appendf(nil, `{"at":%d,"n":%d,"text":"%s"}`, time.Now().UnixNano(), n, text)}
}

var atKey = []byte(`"at":`)

// emittedAt returns the time in the data of a body, in nanoseconds; 0 if there is none.
func emittedAt(body []byte) int64 {
	_, after, found := bytes.Cut(body, atKey)
	if !found {
		return 0
	}
	var at int64
	for _, c := range bytes.TrimLeft(after, " ") { // jsonb of PostgreSQL adds a space
		if c < '0' || c > '9' {
			break
		}
		at = 10*at + int64(c-'0')
	}
	return at
}
