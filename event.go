package webhook

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/contract"
)

// An Event is something that happened in the application. It is immutable once emitted. Tenant
// and Type are required.
type Event struct {
	// Tenant is the customer, workspace or community whose endpoints may receive the event: 1 to
	// 255 bytes of UTF-8 without control characters, compared byte by byte.
	Tenant string

	// Type is the kind of event, such as "member.joined": 1 to 255 bytes of a–z, A–Z, 0–9, "_",
	// "." and "-". If Config.EventTypes is not empty, it must have the type.
	Type string

	// Data is one JSON value, at most Config.MaxEventBytes when encoded. A json.RawMessage or
	// []byte is used byte for byte. Any other Go value is encoded once, by encoding/json without
	// HTML escaping. Nil is null.
	Data any

	// ID identifies the event within its tenant, also to receivers, as the webhook-id header: 1
	// to 255 bytes of visible ASCII without ".". Standard Webhooks signs id.timestamp.body, so
	// write "order-created-17" instead of "order.created.17". Defaults to a UUIDv7.
	//
	// Emitting an id again does nothing if type, channel and data are the same, byte by byte.
	// The first Time, Header and NotBefore stand. With other content it is ErrConflict. An event
	// without receivers is not remembered, unless Config.KeepUnmatched is set or a disabled
	// endpoint would have received it.
	ID string

	// Time is when the event happened, kept with microseconds. Defaults to now.
	Time time.Time

	// Channel limits the receivers to endpoints with the same channel and endpoints without a
	// channel. An event without a channel reaches only endpoints without one. 0 to 255 bytes.
	Channel string

	// Header is stored with the event and sent with each of its requests. At most 32 headers.
	// Names that the library or HTTP itself sets are refused. An endpoint's own header of the
	// same name wins.
	Header map[string]string

	// NotBefore delays the first attempt. The zero time, or one in the past, means now.
	NotBefore time.Time

	// Trace is the place in a trace where the event was emitted, for example a W3C traceparent:
	// 0 to 512 bytes. It is stored with the event, so that the process that sends a request can
	// link it to the emission. Transports, encoders and Observer.BeginAttempt see it; receivers
	// do not. Observer.BeginEmit may set it.
	Trace string

	// Test says that the event is a test send. Only [Scope.Events] sets it: Emit ignores it, and
	// an encoder sees false.
	Test bool
}

// A Receipt is the result of emitting an event.
type Receipt struct {
	// EventID is Event.ID, or the id that the library made. It is also set when Emit returns an
	// error, so that an emission with an unknown outcome can be repeated with the same id. It is
	// empty if Emit failed before it made an id. Nothing was stored then.
	EventID string

	// Deliveries is the number of deliveries that this call created, 0 for a duplicate. It is -1
	// if they are created later: after EmitTx, for more than 1,000 endpoints, and for the events
	// of an EmitBatch after its first 5,000 deliveries.
	Deliveries int

	// Duplicate reports that the id was emitted before with the same content. Nothing was stored.
	Duplicate bool
}

// An EventRecord is an event as a [Store] keeps it. All times are UTC in whole microseconds.
type EventRecord struct {
	// UID is the event's identity inside the library, a UUIDv7 made at emission. Ordering by UID
	// is ordering by CreatedAt, so a range of ages is a range of UIDs.
	UID uuid.UUID

	Tenant    string
	ID        string // unique within Tenant
	Type      string
	Channel   string
	Data      []byte            // one JSON value
	Header    map[string]string // with Event.Trace, under the name ":trace", which is no name of a header
	Time      time.Time
	NotBefore time.Time // zero for none
	CreatedAt time.Time // store time of the emission

	// NewID says that the library has just made ID. A Store may skip the search for a duplicate.
	NewID bool

	// Test says that the event is a test send, from [Scope.Test] or [Scope.TestType]. Events
	// returns it as it was published, and Deliveries returns it with each delivery of the
	// event, a retried one too. Claim may leave it out.
	Test bool

	// Keep says that the event is stored even when expansion finds no endpoint for it.
	Keep bool

	// About is the id of the endpoint that an operational event is about. The event is not
	// delivered to that endpoint. Only an event of Settlement.Announce has it.
	About string

	// Deliveries are the rows that Publish inserts. Nil means that they are not known yet:
	// Publish writes an outbox row, which Claim expands. If it is empty but not nil, the event is
	// stored without deliveries. Only Publish uses it.
	Deliveries []NewDelivery
}

// Patterns returns the subscription patterns that match the event's type: the type itself, its
// prefixes with ".*", the longest first, and "*". An endpoint is subscribed if it has at least
// one of them. The pattern "*" does not match operational events: see [Notice].
func (r *EventRecord) Patterns() []string { return typePatterns(r.Type) }

func typePatterns(typ string) []string {
	patterns := make([]string, 1, 4)
	patterns[0] = typ
	for i := len(typ) - 1; i >= 0; i-- {
		if typ[i] == '.' {
			patterns = append(patterns, typ[:i]+".*")
		}
	}
	if contract.IsOperational(typ) {
		return patterns
	}
	return append(patterns, "*")
}

// event returns the record as it was emitted, for encoders and readers.
func (r *EventRecord) event() *Event {
	header, trace := splitTrace(r.Header)
	return &Event{
		Tenant: r.Tenant, Type: r.Type, Data: json.RawMessage(r.Data), ID: r.ID, Time: r.Time,
		Channel: r.Channel, Header: header, NotBefore: r.NotBefore, Trace: trace,
	}
}

const (
	// traceName is the name under which EventRecord.Header has Event.Trace. A column of its own
	// would cost every event something, and most applications have no traces.
	traceName = ":trace"

	maxTrace = 512 // bytes of Event.Trace
)

// withTrace returns the headers to store of an event. It may change header.
func withTrace(header map[string]string, trace string) map[string]string {
	if trace == "" {
		return header
	}
	if header == nil {
		header = make(map[string]string, 1)
	}
	header[traceName] = trace
	return header
}

// splitTrace undoes withTrace, and leaves the stored map as it is.
func splitTrace(stored map[string]string) (header map[string]string, trace string) {
	trace, found := stored[traceName]
	if !found {
		return stored, ""
	}
	if len(stored) == 1 {
		return nil, trace
	}
	header = maps.Clone(stored)
	delete(header, traceName)
	return header, trace
}

// size returns roughly how many bytes the record takes in a batch or a queue.
func (r *EventRecord) size() int {
	n := len(r.Data) + len(r.ID) + len(r.Type) + len(r.Tenant) + 256
	for k, v := range r.Header {
		n += len(k) + len(v)
	}
	return n
}
