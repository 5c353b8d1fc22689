// Package memstore keeps webhooks in memory. It is for tests, for development, and for
// applications that may lose undelivered events when the process ends. It implements the whole
// contract, and [Options] bound its memory.
package memstore

import (
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

var (
	_ webhook.Store    = (*Store)(nil)
	_ webhook.Volatile = (*Store)(nil)
)

// Options bound the memory of a [Store]. The zero value is usable. Zero and negative fields
// mean the default.
type Options struct {
	// MaxPending bounds the unfinished deliveries. An event counts as one until its deliveries
	// are made. At the bound, events are refused with [webhook.ErrFull]. Events that were
	// accepted without their deliveries wait until there is room for them. Only a retry by hand
	// may exceed the bound, because its deliveries are stored already. Defaults to 100,000.
	MaxPending int

	// MaxFinished bounds the finished deliveries that are kept. An event without deliveries
	// counts as one. Above the bound, the events that finished first are dropped first. Events
	// are always dropped whole, and never with an unfinished delivery. If the remaining ones
	// are still too many, events are refused as for MaxPending. Defaults to 100,000.
	MaxFinished int

	// MaxBytes bounds the approximate size of events (data, headers and names) and attempts
	// (errors and response bodies) together. At the bound, finished events are dropped as for
	// MaxFinished. If that is not enough, events are refused with [webhook.ErrFull]. Attempts
	// are then logged without their response bodies, in place of older attempts of the same
	// delivery. Defaults to 256 MiB.
	MaxBytes int64
}

// Defaults of [Options].
const (
	defaultPending  = 100_000
	defaultFinished = 100_000
	defaultBytes    = 256 << 20
)

// A Store keeps endpoints, events, deliveries and attempts in memory. All its methods are safe
// for concurrent use. They wait for one mutex. They check ctx only when they begin, because
// none of them takes long. See [webhook.Store] for the contract.
type Store struct {
	maxPending  int
	maxRows     int // of finished and unfinished deliveries together
	maxFinished int
	maxBytes    int64

	mu  sync.Mutex
	now int64  // latest time that a Claim was given
	seq uint64 // numbers deliveries and attempts in the order of arrival
	gen uint64 // grows with each call that lists each endpoint or event once; see mark

	tenants   map[string]*tenant
	owners    []*tenant // tenants that have endpoints, by name
	endpoints map[webhook.EndpointKey]*endpoint
	subs      map[subscription][]*endpoint // by id
	events    map[eventKey]*event
	uids      map[uuid.UUID]*event
	timeline  index[event]   // by UID
	failed    index[attempt] // attempts with a Class, by StartedAt
	outbox    heap[event]    // events without deliveries, by the time when they are due
	wide      heap[event]    // events with some of their deliveries, in the order in which they began

	// Every unfinished delivery is in one of three heaps: waiting for its time, leased, or
	// ready. The ready heap is its endpoint's. Endpoints with ready deliveries are in the ring,
	// unless they are blocked for a time, or off.
	waiting  heap[delivery]
	leased   heap[delivery] // by the end of the lease
	blocked  heap[endpoint] // by the end of the block
	ring     ring
	tick     uint64 // numbers the visits of Claim
	readyNow int    // ready deliveries of endpoints in the ring
	readyOff int    // ready deliveries of all other endpoints

	expiring heap[endpoint] // by the expiry of their first secret
	replays  replayList

	doomed ring              // disabled and deleted endpoints whose deliveries Prune cancels
	swept  [sweeps]sweepMark // progress of Prune

	pending    int // deliveries
	unfinished int // pending deliveries, and events in the outbox
	finished   int // finished deliveries, and events without deliveries
	bytes      int64
	closed     closedList // events without unfinished deliveries
}

// New returns an empty Store.
func New(o Options) *Store {
	if o.MaxPending <= 0 {
		o.MaxPending = defaultPending
	}
	if o.MaxFinished <= 0 {
		o.MaxFinished = defaultFinished
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	return &Store{
		maxPending:  o.MaxPending,
		maxRows:     o.MaxPending + min(o.MaxFinished, math.MaxInt-o.MaxPending),
		maxFinished: o.MaxFinished,
		maxBytes:    o.MaxBytes,
		now:         math.MinInt64,
		tenants:     map[string]*tenant{},
		endpoints:   map[webhook.EndpointKey]*endpoint{},
		subs:        map[subscription][]*endpoint{},
		events:      map[eventKey]*event{},
		uids:        map[uuid.UUID]*event{},
	}
}

// Volatile returns true, because nothing in the Store outlives the process, secrets included.
func (s *Store) Volatile() bool { return true }

// micros returns a time in microseconds, the form in which the Store keeps it. fromMicros
// restores it, also the zero time.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
