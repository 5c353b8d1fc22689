// Package memstore keeps webhooks in memory: for tests, for development, and for applications that may lose what is
// undelivered when the process ends. It is complete, and its memory is bounded by [Options].
package memstore

import (
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

var _ webhook.Store = (*Store)(nil)

// Options bound the memory of a [Store]. The zero value is usable; zero and negative fields mean the default.
type Options struct {
	// MaxPending bounds the unfinished deliveries. An event whose deliveries are not made yet counts as one. When they are
	// too many, events are refused with [webhook.ErrFull], and those that were accepted without their deliveries wait until
	// there is room for them. Only a retry by hand, of what is stored anyway, may go beyond. Defaults to 100,000.
	MaxPending int

	// MaxFinished bounds the finished deliveries that are kept. An event without deliveries counts as one. Those events go
	// first that finished first, always whole, and never one with an unfinished delivery; if these alone are too many,
	// events are refused as if MaxPending were reached. Defaults to 100,000.
	MaxFinished int

	// MaxBytes bounds what events (data, headers and names) and attempts (errors and response bodies) take together,
	// roughly. When it is reached, finished events go as for MaxFinished. If that is not enough, events are refused with
	// [webhook.ErrFull], and attempts are logged without their response bodies, in place of older ones of the same
	// delivery. Defaults to 256 MiB.
	MaxBytes int64
}

// Defaults of [Options].
const (
	defaultPending  = 100_000
	defaultFinished = 100_000
	defaultBytes    = 256 << 20
)

// A Store keeps endpoints, events, deliveries and attempts in memory. All its methods are safe for concurrent use; they wait
// for one mutex, and check ctx when they begin only, because none of them takes long. See [webhook.Store] for what they do.
type Store struct {
	maxPending  int
	maxRows     int // of finished and unfinished deliveries together
	maxFinished int
	maxBytes    int64

	mu  sync.Mutex
	now int64  // the latest time that a Claim has seen
	seq uint64 // numbers deliveries and attempts in the order in which they came
	gen uint64 // one higher in each call that lists each endpoint or event once; see mark

	tenants   map[string]*tenant
	owners    []*tenant // those that have endpoints, by name
	endpoints map[webhook.EndpointKey]*endpoint
	subs      map[subscription][]*endpoint // by id
	events    map[eventKey]*event
	uids      map[uuid.UUID]*event
	timeline  index[event] // by UID
	outbox    heap[event]  // without deliveries yet, by when they are due
	wide      heap[event]  // with some of their deliveries, in the order of their turns

	// Every unfinished delivery is in one of three heaps: waiting for its time, leased, or ready, in that of its endpoint.
	// The endpoints with ready ones are in the ring, unless they are blocked for a time, or held.
	waiting  heap[delivery]
	leased   heap[delivery] // by the end of the lease
	blocked  heap[endpoint] // by when the block ends
	ring     ring
	tick     uint64 // numbers the visits of Claim
	readyNow int    // deliveries that are ready, of endpoints in the ring
	readyOff int    // those of all others

	expiring heap[endpoint] // by when the first of their secrets expires

	doomed ring              // disabled and deleted ones whose deliveries Prune cancels
	swept  [sweeps]sweepMark // how far Prune has come

	pending    int // deliveries
	unfinished int // pending, and events in the outbox
	finished   int // deliveries, and events without
	bytes      int64
	closed     closedList // events that have nothing unfinished
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

// Volatile reports that nothing of what is stored outlives the process, secrets included.
func (s *Store) Volatile() bool { return true }

// micros is how times are kept; the zero time stays what it is.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
