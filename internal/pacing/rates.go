package pacing

import (
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/bounded"
)

// A Rate allows Burst calls at once, and then one for each Interval.
type Rate struct {
	Burst    int
	Interval time.Duration
}

const maxRates = 16 << 10

// Rates counts calls by a key K, in bounded memory. The zero value is ready to use.
type Rates[K comparable] struct {
	mu    sync.Mutex
	empty map[K]time.Time // when the whole burst will be free again
}

// A Toll is one count of a call.
type Toll[K comparable] struct {
	Key  K
	Rate Rate
	Cost int
}

// Pay counts a call if all its tolls can be paid at now. Otherwise it counts nothing, and returns
// the time after which they can be.
func (r *Rates[K]) Pay(now time.Time, tolls ...Toll[K]) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range tolls {
		burst := time.Duration(t.Rate.Burst) * t.Rate.Interval
		wait = max(wait, r.after(now, t).Sub(now)-burst)
	}
	if wait > 0 {
		return wait
	}
	for _, t := range tolls {
		after := r.after(now, t)
		r.forget(now)
		bounded.Put(&r.empty, maxRates, t.Key, after) // a key that is forgotten is counted anew
	}
	return 0
}

// after returns the time when t's bucket will be empty once t is paid; mu is held.
func (r *Rates[K]) after(now time.Time, t Toll[K]) time.Time {
	from := now
	if empty, ok := r.empty[t.Key]; ok && empty.After(now) {
		from = empty
	}
	return from.Add(time.Duration(t.Cost) * t.Rate.Interval)
}

// forget removes a few buckets that hold nothing, so the map stays small and no call takes long;
// mu is held.
func (r *Rates[K]) forget(now time.Time) {
	const looks = 8
	n := 0
	for other, empty := range r.empty {
		if !empty.After(now) {
			delete(r.empty, other)
		}
		if n++; n >= looks {
			break
		}
	}
}
