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
	// unreadableFor is how long claims pass over an endpoint with an unreadable row. Its
	// deliveries are not leased in that time.
	unreadableFor = int64(time.Minute / time.Microsecond)

	// mostUnreadable is how many such endpoints a process remembers. Claims try to read the
	// others each time.
	mostUnreadable = 10_000
)

// An unreadableError reports a row with contents that this version of the package does not
// write. Only that row fails.
type unreadableError struct{ error }

func (e unreadableError) Unwrap() error { return e.error }

// unreadable reports whether err concerns one row alone. It is called for each row that is
// read, nearly always with nil.
func unreadable(err error) bool {
	if err == nil {
		return false
	}
	_, bad := errors.AsType[unreadableError](err)
	return bad
}

// scanRow scans a row. A value of another type than its column's is a problem of that row
// alone, because SQLite can keep a text in a column of integers. database/sql scans the columns
// in order, so the columns before the bad one are set.
func scanRow(r *sql.Rows, into ...any) error {
	err := r.Scan(into...)
	if err != nil && r.Err() == nil {
		return unreadableError{err}
	}
	return err
}

// badEndpoint returns an error that names an unreadable endpoint.
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

// passOverNoMore forgets an endpoint whose row has been replaced, so that claims read it again.
func (s *Store) passOverNoMore(ref uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unreadable, ref)
}
