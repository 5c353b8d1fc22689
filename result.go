package webhook

import (
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook/internal/lane"
)

// A resultState is a state of a result in this process:
//
//	offered ──stored, superseded──────────────────────────────▶ ended
//	 ├─refused──────▶ owed ─────stored, superseded, given up──▶ ended
//	 └─overflowed───▶ blocking ─stored, superseded, given up──▶ ended
//
// A result that is late stays in its state, and its settlement is offered under a new lease.
type resultState int

const (
	resultOffered  resultState = iota // its worker offers it to the Store
	resultOwed                        // the Store has not taken it; it counts against its endpoint
	resultBlocking                    // it is owed, and counts against Config.MaxInFlight too
	resultEnded                       // the Store has it, or it is no longer offered
)

// A resultEvent may change the state of a result.
type resultEvent int

const (
	resultStored     resultEvent = iota // the Store has it, or has logged it under a lease that was lost
	resultLate                          // the same, but it has taken over another lease meanwhile
	resultRefused                       // the Store has not taken it
	resultOverflowed                    // the Store has not taken it, and the retry queue is full
	resultSuperseded                    // a claim shows that nothing has to be stored
	resultGivenUp                       // it was owed for too long, or the session ends
)

// after returns the state after an event.
func (s resultState) after(e resultEvent) resultState {
	switch e {
	case resultStored, resultSuperseded, resultGivenUp:
		return resultEnded
	case resultRefused:
		if s == resultOffered {
			return resultOwed
		}
	case resultOverflowed:
		if s == resultOffered {
			return resultBlocking
		}
	case resultLate:
	}
	return s
}

// isOwed reports whether the result is in the debt of its endpoint.
func (s resultState) isOwed() bool { return s == resultOwed || s == resultBlocking }

type resultKey struct {
	event    uuid.UUID
	endpoint EndpointKey
}

func keyOf(item *Settlement) resultKey { return resultKey{item.UID, item.Endpoint} }

// A result is the outcome of a delivery in this process.
type result struct {
	Settlement
	ticket lane.Ticket[EndpointKey, *work]
	since  time.Time // when the attempt was over

	// The mutex of the retry queue guards these, and LeaseNo.
	state    resultState
	isLogged bool // its attempt is stored, under a lease that was lost
}

// item returns the settlement to store; the queue's mutex is held.
func (r *result) item() Settlement {
	item := r.Settlement
	if r.isLogged {
		item.Attempt = nil
	}
	return item
}
