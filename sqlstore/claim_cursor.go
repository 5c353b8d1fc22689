package sqlstore

import (
	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/paging"
)

// A round is one turn of Claim through all lanes. It begins where the last round of this
// process ended, goes up to the last lane, and continues at the first lane until its start.
type round struct {
	start   uuid.UUID // the lane behind which it began
	last    uuid.UUID // the lane that was visited last
	wrapped bool      // last has passed the end and begun again
	again   bool      // another round follows, because one call could not wake everything
	restart bool      // it begins anew
}

func (r round) String() string {
	flags := byte(0)
	for i, set := range []bool{r.wrapped, r.again, r.restart} {
		if set {
			flags |= 1 << i
		}
	}
	return paging.Format(paging.Round, []byte{flags}, r.start[:], r.last[:])
}

func parseRound(cursor string) (r round, err error) {
	raw, err := paging.Parse(paging.ClaimCursor, cursor, paging.Round, 33, 33)
	if err != nil || raw == nil {
		return round{restart: true}, err
	}
	if raw[0] > 7 {
		return r, paging.Malformed(paging.ClaimCursor)
	}
	r.wrapped, r.again, r.restart = raw[0]&1 != 0, raw[0]&2 != 0, raw[0]&4 != 0
	copy(r.start[:], raw[1:])
	copy(r.last[:], raw[17:])
	if r.start[0]&parkedBit != 0 || r.last[0]&parkedBit != 0 {
		return round{}, paging.Malformed(paging.ClaimCursor)
	}
	return r, nil
}
