// Package paging has the common part of the lists of all stores: the size of a page, and the form
// of cursors.
package paging

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
)

// RowBytes is counted against Query.MaxBytes for each row besides its bodies.
const RowBytes = 256

// Rows returns the number of rows of a page. It refuses a Query that names neither a tenant nor
// all tenants, so that a mistake of a caller shows nobody the rows of others.
func Rows(q *webhook.Query) (int, error) {
	switch {
	case q.Tenant == "" && !q.AllTenants:
		return 0, NoTenant("Query.Tenant")
	case q.Tenant != "" && q.AllTenants:
		return 0, &webhook.FieldError{Field: "Query.Tenant", Problem: "is set beside AllTenants", Cure: "use one of them"}
	case q.Limit == 0:
		return contract.PageRows, nil
	}
	return q.Limit, nil
}

// Finished reports whether FinishedFrom and FinishedTo select a delivery. at is the time when it
// finished, in microseconds, and 0 for a pending one.
func Finished(q *webhook.Query, at int64) bool {
	from, to := q.FinishedFrom, q.FinishedTo
	if at == 0 {
		return from.IsZero() && to.IsZero()
	}
	return (from.IsZero() || at >= from.UnixMicro()) && (to.IsZero() || at < to.UnixMicro())
}

// LastAttempt reports whether Class and Status select a delivery whose last attempt has these. One
// class stands for all those that tenants must not be able to tell apart.
func LastAttempt(q *webhook.Query, class webhook.Class, status int) bool {
	if q.Class == webhook.ClassRefused && (class == webhook.ClassDNS || class == webhook.ClassBlocked) {
		class = webhook.ClassRefused
	}
	return (q.Class == "" || class == q.Class) && (q.Status == 0 || status == q.Status)
}

// IsOfEvent reports whether Cancel takes the event of a Query out of the outbox, if the event
// matches it.
func IsOfEvent(q *webhook.Query) bool {
	return !q.AllTenants && q.EventID != "" && q.EndpointID == "" && (q.State == "" || q.State == webhook.DeliveryPending) && Finished(q, 0)
}

// A Budget counts the bytes of a page against Query.MaxBytes.
type Budget struct {
	left  int
	begun bool
}

// NewBudget returns the budget of a page.
func NewBudget(q *webhook.Query) Budget {
	if q.MaxBytes > 0 {
		return Budget{left: q.MaxBytes}
	}
	return Budget{left: contract.MaxPageBytes}
}

// Take counts a row of n bytes and reports whether it fits. The first row always fits. After
// a row that does not fit, none does.
func (b *Budget) Take(n int) bool {
	if b.begun && n > b.left {
		b.left = -1
		return false
	}
	b.begun = true
	b.left -= n
	return true
}

// NoTenant returns the error for an empty tenant.
func NoTenant(field string) error {
	return &webhook.FieldError{Field: field, Problem: "is empty", Cure: "name a tenant"}
}

// Kinds of cursors. A store may have more of its own.
const (
	Events     = 'e' // UID
	Deliveries = 'd' // UID, endpoint id
	Attempts   = 'a' // a store's own
	Endpoints  = 'p' // length of the tenant, tenant, endpoint id
	Failing    = 'h' // FailingSince in microseconds, then as Endpoints
	Round      = 'r' // a store's own, of Claim
)

// Names of the fields that hold cursors.
const (
	QueryCursor = "Query.Cursor"
	ClaimCursor = "ClaimRequest.Cursor"
)

const (
	uidSize = len(uuid.UUID{})
	maxID   = 1 << 16 // bytes of a name in a cursor
)

var encoding = base64.RawURLEncoding

// Format returns a cursor: the base64url of a byte for its kind, and of the row after which a
// page begins.
func Format(kind byte, parts ...[]byte) string {
	raw := []byte{kind}
	for _, part := range parts {
		raw = append(raw, part...)
	}
	return encoding.EncodeToString(raw)
}

// Parse returns the content of a cursor after its kind, least to most bytes. It returns nil for
// the empty cursor.
func Parse(field, cursor string, kind byte, least, most int) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	if len(cursor) > encoding.EncodedLen(1+most) {
		return nil, Malformed(field)
	}
	raw, err := encoding.DecodeString(cursor)
	if err != nil || len(raw) < 1+least || raw[0] != kind || encoding.EncodeToString(raw) != cursor { // decoding skips line ends
		return nil, Malformed(field)
	}
	return raw[1:], nil
}

// Malformed returns the error for a cursor that was not made by Format.
func Malformed(field string) error {
	return &webhook.FieldError{Field: field, Problem: "is malformed", Cure: "use the Next of the page before as it is, or leave it empty"}
}

// FormatUID returns a cursor for lists in the order of UIDs.
func FormatUID(uid uuid.UUID) string { return Format(Events, uid[:]) }

// ParseUID returns the upper bound of the UIDs of a page. set is false for the empty cursor.
func ParseUID(cursor string) (uid uuid.UUID, set bool, err error) {
	raw, err := Parse(QueryCursor, cursor, Events, uidSize, uidSize)
	copy(uid[:], raw)
	return uid, raw != nil, err
}

// FormatDelivery returns a cursor for lists of deliveries. These are ordered by event, the
// newest first, and then by endpoint id.
func FormatDelivery(uid uuid.UUID, endpoint string) string {
	return Format(Deliveries, uid[:], []byte(endpoint))
}

// ParseDelivery is the reverse of FormatDelivery. set is false for the empty cursor.
func ParseDelivery(cursor string) (uid uuid.UUID, endpoint string, set bool, err error) {
	raw, err := Parse(QueryCursor, cursor, Deliveries, uidSize, uidSize+maxID)
	if err != nil || raw == nil {
		return uid, "", false, err
	}
	copy(uid[:], raw)
	return uid, string(raw[uidSize:]), true, nil
}

// FormatEndpoint returns a cursor for lists of endpoints, by tenant and id.
func FormatEndpoint(key webhook.EndpointKey) string { return Format(Endpoints, appendKey(nil, key)) }

func appendKey(raw []byte, key webhook.EndpointKey) []byte {
	raw = binary.AppendUvarint(raw, uint64(len(key.Tenant)))
	return append(append(raw, key.Tenant...), key.ID...)
}

// ParseEndpoint returns the endpoint after which a page begins.
func ParseEndpoint(cursor string) (webhook.EndpointKey, error) {
	raw, err := Parse(QueryCursor, cursor, Endpoints, 1, 2*maxID)
	if err != nil || raw == nil {
		return webhook.EndpointKey{}, err
	}
	return parseKey(raw)
}

func parseKey(raw []byte) (webhook.EndpointKey, error) {
	n, size := binary.Uvarint(raw)
	if size <= 0 || n > uint64(len(raw)-size) || size > 1 && n < 1<<(7*(size-1)) {
		return webhook.EndpointKey{}, Malformed(QueryCursor)
	}
	raw = raw[size:]
	return webhook.EndpointKey{Tenant: string(raw[:n]), ID: string(raw[n:])}, nil
}

// A FailingPlace is an endpoint's place in the list of failing endpoints.
type FailingPlace struct {
	Since int64 // Health.FailingSince in microseconds
	Key   webhook.EndpointKey
}

// FormatFailing returns a cursor for the list of failing endpoints.
func FormatFailing(p FailingPlace) string {
	return Format(Failing, appendKey(binary.BigEndian.AppendUint64(nil, uint64(p.Since)), p.Key))
}

// ParseFailing returns the place after which a page begins. It is the zero place for the empty
// cursor.
func ParseFailing(cursor string) (FailingPlace, error) {
	const least = 9
	raw, err := Parse(QueryCursor, cursor, Failing, least, 8+2*maxID)
	if err != nil || raw == nil {
		return FailingPlace{}, err
	}
	since := int64(binary.BigEndian.Uint64(raw))
	key, err := parseKey(raw[8:])
	if err != nil || since <= 0 {
		return FailingPlace{}, Malformed(QueryCursor)
	}
	return FailingPlace{since, key}, nil
}

// HasHealth reports whether Query.Health selects an endpoint.
func HasHealth(q *webhook.Query, e *webhook.Endpoint) bool {
	switch {
	case q.Health == "":
		return true
	case e.State == webhook.EndpointDisabled:
		return false
	case q.Health == webhook.HealthFailing:
		return e.Health.Status != ""
	}
	return e.Health.Status == q.Health
}

// EventSize returns the size of an event on a page, in bytes.
func EventSize(e *webhook.EventRecord) int {
	n := RowBytes + len(e.Data)
	for k, v := range e.Header {
		n += len(k) + len(v)
	}
	return n
}

// AttemptSize returns the size of an attempt on a page, in bytes.
func AttemptSize(a *webhook.Attempt) int { return RowBytes + len(a.Error) + len(a.ResponseBody) }

// EndpointSize returns the size of an endpoint on a page, in bytes.
func EndpointSize(e *webhook.Endpoint) int {
	n := 512 + len(e.URL) + len(e.Description)
	for _, pattern := range e.Events {
		n += len(pattern)
	}
	for k, v := range e.Metadata {
		n += len(k) + len(v)
	}
	for k, v := range e.Header {
		n += len(k) + len(v)
	}
	return n
}
