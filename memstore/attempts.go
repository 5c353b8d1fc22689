package memstore

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/gowebhook/webhook"
)

const (
	// attemptOverhead is the size of an attempt without its texts.
	attemptOverhead = 256

	// shortError is the length that an error is shortened to when bytes are short.
	shortError = 256
)

func attemptBytes(a *webhook.Attempt) int64 {
	return int64(attemptOverhead + len(a.Error) + len(a.ResponseBody))
}

// hasLogged reports whether the log has, or had, an attempt of a lease.
func (d *delivery) hasLogged(leaseNo int64) bool {
	_, found := d.attempt(leaseNo)
	return found || d.removed > 0 && leaseNo <= d.removedTo
}

// log stores the attempt that was made under a lease, unless hasLogged.
func (s *Store) log(d *delivery, leaseNo int64, a *webhook.Attempt, late bool) {
	if !late {
		d.logged++
		d.lastStatus, d.lastClass = a.Status, a.Class
	}
	own := &attempt{Attempt: *a, delivery: d, leaseNo: leaseNo}
	own.Late = late
	own.Tenant, own.EventID, own.EventType, own.EndpointID = d.event.Tenant, d.event.ID, d.event.Type, d.endpoint.ID
	if !s.fitAttempt(own) {
		d.removed++
		d.removedTo = max(d.removedTo, leaseNo)
		return
	}
	own.ResponseBody = bytes.Clone(own.ResponseBody)
	s.seq++
	own.key = timeKey(micros(own.StartedAt), s.seq)
	if d.attempts == nil {
		d.attempts = d.one[:0]
	}
	i, _ := d.attempt(leaseNo)
	d.attempts = slices.Insert(d.attempts, i, own)
	if d.event.fanout {
		d.event.attempts.add(own.key, own)
	}
	d.endpoint.attempts.add(own.key, own)
	if own.Class != "" {
		s.failed.add(own.key, own)
	}
	own.bytes = attemptBytes(&own.Attempt)
	s.addBytes(d.event, own.bytes)
	if d.event.closed {
		s.sweepFrom(d.event.key)
	}
}

// attempt returns the place of the attempt that was made under a lease, and whether it is
// there.
func (d *delivery) attempt(leaseNo int64) (int, bool) {
	return slices.BinarySearchFunc(d.attempts, leaseNo, func(a *attempt, n int64) int { return cmp.Compare(a.leaseNo, n) })
}

// fitAttempt makes room for an attempt, or makes it smaller. It returns false if the attempt
// must be left out. That happens only if its delivery has later attempts.
func (s *Store) fitAttempt(a *attempt) bool {
	d := a.delivery
	if s.free(attemptBytes(&a.Attempt), d.event) {
		return true
	}
	a.Truncated = a.Truncated || len(a.ResponseBody) > 0
	a.ResponseBody = nil
	if len(a.Error) > shortError {
		a.Error = strings.Clone(strings.ToValidUTF8(a.Error[:shortError], ""))
	}
	if s.free(attemptBytes(&a.Attempt), d.event) {
		return true
	}
	i, _ := d.attempt(a.leaseNo)
	if i == 0 && len(d.attempts) > 0 {
		return false
	}
	for ; i > 0 && !s.free(attemptBytes(&a.Attempt), d.event); i-- {
		s.removeAttempts(d, 1)
	}
	// If there is still no room, it is the only attempt of its delivery. The number of
	// deliveries bounds the number of such attempts.
	return true
}

// free drops closed events, except keep, until there is room for n bytes. If dropping them all
// would not make enough room, it drops none.
func (s *Store) free(n int64, keep *event) bool {
	loose := s.closed.bytes
	if keep.closed {
		loose -= keep.bytes
	}
	if n > s.maxBytes-(s.bytes-loose) {
		return false
	}
	for ev := s.closed.events.First(); n > s.maxBytes-s.bytes; {
		next := ev.Next()
		if ev != keep {
			s.drop(ev)
		}
		ev = next
	}
	return true
}

// removeAttempts removes the first n attempts of a delivery. The others keep their numbers.
func (s *Store) removeAttempts(d *delivery, n int) {
	for _, a := range d.attempts[:n] {
		s.unlist(a)
		if d.event.fanout {
			d.event.attempts.remove(a.key)
		}
		s.addBytes(d.event, -a.bytes)
		d.removedTo = max(d.removedTo, a.leaseNo)
	}
	d.removed += n
	if d.attempts = slices.Delete(d.attempts, 0, n); len(d.attempts) == 0 {
		d.attempts = nil
	}
}

// unlist removes an attempt from the lists that outlive its event.
func (s *Store) unlist(a *attempt) {
	a.delivery.endpoint.attempts.remove(a.key)
	if a.Class != "" {
		s.failed.remove(a.key)
	}
}

// removeBodies removes the response bodies of a delivery's attempts.
func (s *Store) removeBodies(d *delivery) {
	for _, a := range d.attempts {
		n := int64(len(a.ResponseBody))
		a.ResponseBody = nil
		a.bytes -= n
		s.addBytes(d.event, -n)
	}
}

// addBytes notes that an event takes n more bytes.
func (s *Store) addBytes(ev *event, n int64) {
	ev.bytes += n
	s.bytes += n
	if ev.closed {
		s.closed.bytes += n
	}
}
