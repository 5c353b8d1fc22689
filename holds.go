package webhook

import (
	"sync"
	"time"
)

// holds are the endpoints whose deliveries this process does not take for a while. The zero
// value is ready to use.
type holds struct {
	mu    sync.Mutex
	until map[EndpointKey]time.Time
}

// add holds an endpoint until a time.
func (h *holds) add(key EndpointKey, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == nil {
		h.until = make(map[EndpointKey]time.Time)
	}
	h.until[key] = until
}

// end calls release with each endpoint whose time is over at now, and forgets it.
func (h *holds) end(now time.Time, release func(EndpointKey)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, until := range h.until {
		if !until.After(now) {
			delete(h.until, key)
			release(key)
		}
	}
}
