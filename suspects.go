package webhook

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook/internal/bounded"
)

const (
	// confirmDelay is the wait before the request that confirms a verdict to disable.
	confirmDelay = time.Second

	maxSuspects = 4096
)

// suspects are the endpoints whose latest answer would disable them.
//
// One answer may be an accident: a receiver in the middle of a deployment, or bytes that
// an earlier exchange left on a kept connection. So the first such answer fails only its
// attempt. The process remembers the endpoint and sends its next request on a fresh
// connection. The endpoint is disabled if that answer says the same, and trusted again if
// a request succeeds.
//
// Each process remembers by itself, because a second answer usually follows within
// seconds. With n processes an endpoint that is gone is disabled after 2 to n+1 attempts.
// An edited endpoint (another version) starts anew. The zero value is ready to use.
type suspects struct {
	count atomic.Int64 // len(of), so that a success of a healthy endpoint takes no lock

	mu sync.Mutex
	of map[EndpointKey]int64 // the version of the suspicious answer
}

// has reports whether the next request to an endpoint needs a fresh connection.
func (s *suspects) has(key EndpointKey, version int64) bool {
	if s.count.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.of[key]
	return ok && known == version
}

// confirm notes an answer that would disable an endpoint. It reports whether the answer
// confirms an earlier one. The endpoint is then to be disabled, and is forgotten here. An
// answer on a kept connection confirms nothing.
func (s *suspects) confirm(key EndpointKey, version int64, fresh bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.count.Store(int64(len(s.of))) }()
	known, ok := s.of[key]
	if ok && known == version && fresh {
		delete(s.of, key)
		return true
	}
	if ok && known > version {
		return false // a late answer to a version that was changed since
	}
	bounded.Put(&s.of, maxSuspects, key, version) // one that is forgotten begins with its first such answer
	return false
}

// clear trusts an endpoint again.
func (s *suspects) clear(key EndpointKey) {
	if s.count.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, key)
	s.count.Store(int64(len(s.of)))
}
