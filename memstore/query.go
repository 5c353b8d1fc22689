package memstore

import (
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/paging"
)

func (k key) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, k.hi), k.lo)
}

func parseKey(raw []byte) key {
	return key{binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:])}
}

// eventCursor returns the upper bound of the keys of a page's events.
func eventCursor(cursor string) (key, error) {
	uid, set, err := paging.ParseUID(cursor)
	if err != nil || !set {
		return lastKey, err
	}
	return uidKey(uid), nil
}

// attemptCursor returns the upper bound of the keys of a page's attempts.
func attemptCursor(cursor string) (key, error) {
	const size = 16
	raw, err := paging.Parse(paging.QueryCursor, cursor, paging.Attempts, size, size)
	if err != nil || raw == nil {
		return lastKey, err
	}
	return parseKey(raw), nil
}

// A position is the place of a delivery in a list. The list is ordered by event, the newest
// first, and then by endpoint id.
type position struct {
	event    key
	endpoint string
}

func (p position) String() string {
	return paging.FormatDelivery(uuid.UUID(p.event.bytes()), p.endpoint)
}

func parsePosition(cursor string) (position, error) {
	uid, endpoint, set, err := paging.ParseDelivery(cursor)
	if err != nil || !set {
		return position{event: lastKey}, err
	}
	return position{uidKey(uid), endpoint}, nil
}

// A round is one pass of Claim over the endpoints. An endpoint whose last visit was after start
// has had its turn.
type round struct {
	start   uint64
	again   bool // another round follows, because one call could not wake all
	restart bool // the round begins anew
}

func (r round) String() string {
	flags := byte(0)
	if r.again {
		flags |= 1
	}
	if r.restart {
		flags |= 2
	}
	return paging.Format(paging.Round, []byte{flags}, binary.BigEndian.AppendUint64(nil, r.start))
}

func parseRound(cursor string) (round, error) {
	raw, err := paging.Parse(paging.ClaimCursor, cursor, paging.Round, 9, 9)
	if err != nil || raw == nil {
		return round{restart: true}, err
	}
	if raw[0] > 3 {
		return round{}, paging.Malformed(paging.ClaimCursor)
	}
	return round{again: raw[0]&1 != 0, restart: raw[0]&2 != 0, start: binary.BigEndian.Uint64(raw[1:])}, nil
}
