package engine

import "errors"

// An Outcome says how a transaction ended.
type Outcome int

// The outcomes of a transaction.
const (
	Committed Outcome = iota
	Refused           // nothing of it is stored
	NotBegun          // nothing of it was run, because the connection or its server was of no use
	Unknown           // the connection broke during the commit
)

// An outcomeError is the error of a transaction that is NotBegun or Unknown.
type outcomeError struct {
	error
	outcome Outcome
}

func (e outcomeError) Unwrap() error { return e.error }

// of adds the outcome to an error. Refused adds nothing.
func (o Outcome) of(err error) error {
	if o == NotBegun || o == Unknown {
		return outcomeError{err, o}
	}
	return err
}

// OutcomeOf returns the outcome of a transaction from the error of [DB.Write].
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Committed
	}
	if e, ok := errors.AsType[outcomeError](err); ok {
		return e.outcome
	}
	return Refused
}
