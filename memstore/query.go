package memstore

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// Rows of a page.
const (
	defaultPage = 100
	maxPage     = 1000
	maxRead     = 1000    // rows that are looked at for one page
	maxPageSize = 4 << 20 // bytes, roughly
)

// The fields that a Query may have, beside Limit and Cursor.
const (
	allTenants = 1 << iota
	eventID
	endpointID
	eventType
	state
	class
	status
	times
)

// check refuses a Query with a field that is not among the honoured ones, and returns the rows of its page.
func check(q *webhook.Query, honoured int) (int, error) {
	for _, f := range []struct {
		name string
		set  bool
		bit  int
	}{
		{"AllTenants", q.AllTenants, allTenants},
		{"EventID", q.EventID != "", eventID},
		{"EndpointID", q.EndpointID != "", endpointID},
		{"Type", q.Type != "", eventType},
		{"State", q.State != "", state},
		{"Class", q.Class != "", class},
		{"Status", q.Status != 0, status},
		{"From", !q.From.IsZero(), times},
		{"To", !q.To.IsZero(), times},
	} {
		if f.set && f.bit&honoured == 0 {
			return 0, &webhook.FieldError{Field: "Query." + f.name, Problem: "does not apply here", Cure: "leave it empty"}
		}
	}
	switch {
	case q.Tenant == "" && !q.AllTenants:
		return 0, errNoTenant("Query.Tenant")
	case q.Tenant != "" && q.AllTenants:
		return 0, &webhook.FieldError{Field: "Query.Tenant", Problem: "is set beside AllTenants", Cure: "use one of them"}
	case q.Limit < 0, q.Limit > maxPage:
		return 0, &webhook.FieldError{
			Field: "Query.Limit", Problem: fmt.Sprintf("is %d", q.Limit), Cure: fmt.Sprintf("use 1 to %d, or 0 for %d", maxPage, defaultPage),
		}
	case q.Limit == 0:
		return defaultPage, nil
	}
	return q.Limit, nil
}

// A cursor is base64url of a byte that says which kind it is, and of the row after which a page begins.
const (
	eventCursor    = 'e' // UID
	deliveryCursor = 'd' // UID, endpoint id
	attemptCursor  = 'a' // key
	endpointCursor = 'p' // length of the tenant, tenant, endpoint id
	roundCursor    = 'r' // flags, tick
)

var cursors = base64.RawURLEncoding

func formatCursor(kind byte, parts ...[]byte) string {
	raw := []byte{kind}
	for _, part := range parts {
		raw = append(raw, part...)
	}
	return cursors.EncodeToString(raw)
}

// parseCursor returns what follows the kind; nil for the empty cursor.
func parseCursor(field, cursor string, kind byte, least, most int) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	if len(cursor) > cursors.EncodedLen(1+most) {
		return nil, errCursor(field)
	}
	raw, err := cursors.DecodeString(cursor)
	if err != nil || len(raw) < 1+least || raw[0] != kind || cursors.EncodeToString(raw) != cursor { // decoding skips line ends
		return nil, errCursor(field)
	}
	return raw[1:], nil
}

func errCursor(field string) error {
	return &webhook.FieldError{Field: field, Problem: "is malformed", Cure: "use the Next of the page before as it is, or leave it empty"}
}

const (
	queryCursor = "Query.Cursor"
	uidSize     = len(uuid.UUID{})
	maxID       = 1 << 16 // bytes of a name in a cursor
)

func formatKey(k key) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, k.hi), k.lo)
}

func parseKey(raw []byte) key {
	return key{binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:])}
}

// keyCursor returns the key that a page's rows are below.
func keyCursor(cursor string, kind byte) (key, error) {
	raw, err := parseCursor(queryCursor, cursor, kind, uidSize, uidSize)
	if err != nil || raw == nil {
		return lastKey, err
	}
	return parseKey(raw), nil
}

// A position is a delivery's in a list: behind those of newer events, and of endpoints with lesser ids.
type position struct {
	event    key
	endpoint string
}

func (p position) String() string {
	return formatCursor(deliveryCursor, formatKey(p.event), []byte(p.endpoint))
}

func parsePosition(cursor string) (position, error) {
	raw, err := parseCursor(queryCursor, cursor, deliveryCursor, uidSize, uidSize+maxID)
	if err != nil || raw == nil {
		return position{event: lastKey}, err
	}
	return position{parseKey(raw), string(raw[uidSize:])}, nil
}

func formatEndpointCursor(key webhook.EndpointKey) string {
	return formatCursor(endpointCursor, binary.AppendUvarint(nil, uint64(len(key.Tenant))), []byte(key.Tenant), []byte(key.ID))
}

func parseEndpointCursor(cursor string) (webhook.EndpointKey, error) {
	raw, err := parseCursor(queryCursor, cursor, endpointCursor, 1, 2*maxID)
	if err != nil || raw == nil {
		return webhook.EndpointKey{}, err
	}
	n, size := binary.Uvarint(raw)
	if size <= 0 || n > uint64(len(raw)-size) || size > 1 && n < 1<<(7*(size-1)) {
		return webhook.EndpointKey{}, errCursor(queryCursor)
	}
	raw = raw[size:]
	return webhook.EndpointKey{Tenant: string(raw[:n]), ID: string(raw[n:])}, nil
}

// A round is Claim going once round the endpoints: those whose last visit was after its start have had their turn.
type round struct {
	start   uint64
	again   bool // another round follows, because more work was woken than one call could
	restart bool // it begins anew
}

func (r round) String() string {
	flags := byte(0)
	if r.again {
		flags |= 1
	}
	if r.restart {
		flags |= 2
	}
	return formatCursor(roundCursor, []byte{flags}, binary.BigEndian.AppendUint64(nil, r.start))
}

func parseRound(cursor string) (round, error) {
	raw, err := parseCursor("ClaimRequest.Cursor", cursor, roundCursor, 9, 9)
	if err != nil || raw == nil {
		return round{restart: true}, err
	}
	if raw[0] > 3 {
		return round{}, errCursor("ClaimRequest.Cursor")
	}
	return round{again: raw[0]&1 != 0, restart: raw[0]&2 != 0, start: binary.BigEndian.Uint64(raw[1:])}, nil
}
