package webhook

import (
	"sync"
	"sync/atomic"

	"github.com/gowebhook/webhook/internal/bounded"
)

const (
	// failingAfter is the number of failed attempts in a row after which an endpoint is
	// failing.
	failingAfter = 5

	maxFailing = 16 << 10 // endpoints
)

// A failingSet has the endpoints that are failing, as far as this process has seen. The zero
// value is ready to use.
type failingSet struct {
	size atomic.Int32 // of has: most successes need no lock

	mu  sync.Mutex
	has map[EndpointKey]bool
}

// A failingChange is the difference that a status makes.
type failingChange int

const (
	failingSame failingChange = iota
	failingBegan
	failingEnded
)

// note takes note of an endpoint's status. When the set is full, it forgets an endpoint, whose
// next failure then counts as the first.
func (s *failingSet) note(status *EndpointStatus) failingChange {
	switch {
	case status.Failures > 0 && status.Failures < failingAfter, status.Failures == 0 && s.size.Load() == 0:
		return failingSame
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.size.Store(int32(len(s.has))) }()
	known := s.has[status.Key]
	switch {
	case status.Failures == 0 && known:
		delete(s.has, status.Key)
		if status.RecoveredAt.IsZero() { // a new URL, or enabled again
			return failingSame
		}
		return failingEnded
	case status.Failures == 0 || known:
		return failingSame
	}
	bounded.Put(&s.has, maxFailing, status.Key, true)
	return failingBegan
}
