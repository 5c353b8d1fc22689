package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

const (
	// unreadableFor is how long claims pass over an endpoint whose row could not be read.
	// Its deliveries are not leased meanwhile.
	unreadableFor = int64(time.Minute / time.Microsecond)

	// mostUnreadable is how many such endpoints a process remembers. Claims look at the
	// others each time.
	mostUnreadable = 10_000
)

// An unreadableError is that of a row that holds something else than this version of the
// package writes. It fails nothing but that row.
type unreadableError struct{ error }

func (e unreadableError) Unwrap() error { return e.error }

// unreadable is asked about each row that is read, nearly always with nil.
func unreadable(err error) bool {
	if err == nil {
		return false
	}
	_, bad := errors.AsType[unreadableError](err)
	return bad
}

// scanRow scans a row. A value of another type than its column's is a problem of that row
// alone: SQLite keeps a text in a column of integers. database/sql scans the columns in
// their order, so those before the bad one are set.
func scanRow(r *sql.Rows, into ...any) error {
	err := r.Scan(into...)
	if err != nil && r.Err() == nil {
		return unreadableError{err}
	}
	return err
}

// badEndpoint says which endpoint cannot be read.
func badEndpoint(key webhook.EndpointKey, err error) error {
	return unreadableError{fmt.Errorf("endpoint %q of tenant %q is not readable, and its deliveries wait; update or delete it: %w", key.ID, key.Tenant, err)}
}

// isUnreadable reports whether claims pass over an endpoint at now.
func (s *Store) isUnreadable(ref uuid.UUID, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, known := s.unreadable[ref]
	if known && (now >= until || now < until-unreadableFor) { // the clock may have been set back
		delete(s.unreadable, ref)
		return false
	}
	return known
}

func (s *Store) passOver(ref uuid.UUID, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unreadable == nil {
		s.unreadable = make(map[uuid.UUID]int64)
	}
	if len(s.unreadable) < mostUnreadable {
		s.unreadable[ref] = now + unreadableFor
	}
}

// passOverNoMore is called when an endpoint's row has been replaced.
func (s *Store) passOverNoMore(ref uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unreadable, ref)
}
