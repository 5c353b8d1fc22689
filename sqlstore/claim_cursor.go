package sqlstore

import (
	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/paging"
)

// A claimCursor is a place in a round of Claim through all lanes. A round begins where
// the last round of this process ended, goes up to the last lane, and continues at the
// first lane until its start.
type claimCursor struct {
	start    uuid.UUID // the lane behind which the round began
	last     uuid.UUID // the lane that was visited last
	wrapped  bool      // last has passed the end and begun again
	leftover bool      // one call could not wake everything, so another round follows
	restart  bool      // a new round begins
}

func (c claimCursor) String() string {
	flags := byte(0)
	for i, set := range []bool{c.wrapped, c.leftover, c.restart} {
		if set {
			flags |= 1 << i
		}
	}
	return paging.Format(paging.Round, []byte{flags}, c.start[:], c.last[:])
}

func parseClaimCursor(text string) (c claimCursor, err error) {
	raw, err := paging.Parse(paging.ClaimCursor, text, paging.Round, 33, 33)
	if err != nil || raw == nil {
		return claimCursor{restart: true}, err
	}
	if raw[0] > 7 {
		return c, paging.Malformed(paging.ClaimCursor)
	}
	c.wrapped, c.leftover, c.restart = raw[0]&1 != 0, raw[0]&2 != 0, raw[0]&4 != 0
	copy(c.start[:], raw[1:])
	copy(c.last[:], raw[17:])
	if c.start[0]&parkedBit != 0 || c.last[0]&parkedBit != 0 {
		return claimCursor{}, paging.Malformed(paging.ClaimCursor)
	}
	return c, nil
}
