package webhook

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// An Event is something that happened in the application. It is immutable once emitted. Tenant and Type are required.
type Event struct {
	// Tenant is whose endpoints may receive the event: a customer, a workspace, a community. 1 to 255 bytes of UTF-8
	// without control characters, compared byte by byte.
	Tenant string

	// Type says what happened, such as "member.joined": 1 to 255 bytes of a–z, A–Z, 0–9, "_", "." and "-". With
	// Config.EventTypes it must be one of them.
	Type string

	// Data is one JSON value. A json.RawMessage or []byte is taken as it is, byte for byte; any other Go value is
	// encoded once, by encoding/json without HTML escaping; nil is null. At most Config.MaxEventBytes when encoded.
	Data any

	// ID identifies the event within its tenant, to receivers too (it is the webhook-id header): 1 to 255 bytes of
	// visible ASCII without ".", because Standard Webhooks signs id.timestamp.body: write "order-created-17" instead of
	// "order.created.17". Emitting an id again with the same type, channel and data (compared byte by byte; Time,
	// Header and NotBefore are not, the first ones stand) does nothing; with other content it is ErrConflict. An event that
	// nobody receives is not remembered, unless Config.KeepUnmatched. Defaults to a UUIDv7.
	ID string

	// Time is when it happened, kept with microseconds. Defaults to now.
	Time time.Time

	// Channel narrows who receives the event: endpoints with the same channel, and those without one. An event without
	// a channel reaches only endpoints without one. 0 to 255 bytes.
	Channel string

	// Header is sent with every request of this event, and stored with it. At most 32 headers; the names that the
	// library or HTTP itself sets are refused. An endpoint's own header of the same name wins.
	Header map[string]string

	// NotBefore delays the first attempt. The zero time, or one in the past, means now.
	NotBefore time.Time

	// Test says that the event is a test send. Only [Scope.Events] sets it: Emit ignores it, and
	// an encoder sees false.
	Test bool
}

// A Receipt says what became of an emitted event.
type Receipt struct {
	// EventID is the id given, or the one made for it. It is set even when Emit returns an error, so that an emission
	// whose outcome is unknown can be repeated with the same id.
	EventID string

	// Deliveries is how many this call created; -1 when that is known only later (EmitTx, and fan-outs to more than
	// 1,000 endpoints).
	Deliveries int

	// Duplicate reports that the id had been emitted before with the same content: nothing was done.
	Duplicate bool
}

// An EventRecord is an event as a [Store] keeps it. All times are UTC in whole microseconds.
type EventRecord struct {
	// UID is the event's identity inside the library, a UUIDv7 made at emission: ordering by UID is ordering by
	// CreatedAt, and age ranges are UID ranges.
	UID uuid.UUID

	Tenant    string
	ID        string // unique within Tenant
	Type      string
	Channel   string
	Data      []byte // one JSON value
	Header    map[string]string
	Time      time.Time
	NotBefore time.Time // zero for none
	CreatedAt time.Time // store time of the emission

	// NewID says that the library made ID a moment ago: a Store may skip the search for a duplicate.
	NewID bool

	// Test says that the event is a test send, from [Scope.Test] or [Scope.TestType]. Events
	// returns it as it was published, and Deliveries returns it with each delivery of the
	// event, a retried one too. Claim may leave it out.
	Test bool

	// Keep says that the event is stored even when expansion finds no endpoint for it.
	Keep bool

	// Deliveries is for Publish only: the rows to insert. nil: none are known yet, write an outbox row, from which
	// Claim expands them. Empty but not nil: the event is stored without deliveries.
	Deliveries []NewDelivery
}

// Patterns returns the subscription patterns that match the event's type: the type itself, its prefixes with ".*", the
// longest first, and "*". An endpoint is subscribed if it has at least one of them.
func (r *EventRecord) Patterns() []string { return typePatterns(r.Type) }

func typePatterns(typ string) []string {
	patterns := make([]string, 1, 4)
	patterns[0] = typ
	for i := len(typ) - 1; i >= 0; i-- {
		if typ[i] == '.' {
			patterns = append(patterns, typ[:i]+".*")
		}
	}
	return append(patterns, "*")
}

// event returns the record as it was emitted, for encoders and readers.
func (r *EventRecord) event() *Event {
	return &Event{
		Tenant: r.Tenant, Type: r.Type, Data: json.RawMessage(r.Data), ID: r.ID, Time: r.Time,
		Channel: r.Channel, Header: r.Header, NotBefore: r.NotBefore,
	}
}

// size is what the record costs in a batch or a queue, roughly, in bytes.
func (r *EventRecord) size() int {
	n := len(r.Data) + len(r.ID) + len(r.Type) + len(r.Tenant) + 256
	for k, v := range r.Header {
		n += len(k) + len(v)
	}
	return n
}
