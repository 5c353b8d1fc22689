package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// A Publisher stores events. A [Store] is one, and so is what a SQL store makes of the caller's transaction for
// [Dispatcher.EmitTx].
type Publisher interface {
	// Publish stores each event and its deliveries, or its outbox row when Deliveries is nil, in one transaction, and
	// returns one result an event, in their order.
	//
	// An event whose (Tenant, ID) is stored already is not stored again: if Type, Channel and Data are the same the
	// result is Duplicate, otherwise its Err is ErrConflict. The same holds between two events of one request. NewID
	// promises that there is none. A Store without room answers ErrFull for that event. Such a result is that event's
	// own: the others are stored, unless the request is Atomic; then nothing is stored when any result has an Err.
	//
	// An unfinished transaction elsewhere may hold an id. A Store does not wait for it: the
	// event is not stored, its result is Held, and its Err says why. The other events are
	// stored as if it were not there, unless the request is Atomic; then at least one such
	// event is Held, and no id of the request is held by it. Where a database locks the
	// place of an id that nobody holds, that event may be Held too, but one with NewID only
	// if the transaction has the id of a UUIDv7 with a later time. The Publisher of a
	// transaction waits as its database does.
	//
	// A delivery row with a final State is stored as finished, with its Attempt. Any other is pending: due at DueAt, or,
	// if Leased, held by the caller under lease number 1 until LeaseUntil. Publish reads no endpoint and changes no row
	// that another publisher shares; a row for an endpoint that no longer exists is canceled by Prune, and one for a version
	// that is not kept any more is made under the present one.
	//
	// An error means that the outcome is unknown, and repeating the request with the same ids is safe. The records
	// belong to the Store from the call on; the caller does not change them.
	Publish(ctx context.Context, req PublishRequest) ([]Published, error)
}

// A Store keeps endpoints, events, deliveries and attempts, and hands out due work. This comment and those of the
// methods are the contract; package storetest has a test for each sentence.
//
// All methods are safe for concurrent use, by many processes if the store is shared by them. Each is atomic: it
// happens wholly or not at all, and is durable, as far as the store is, when it returns nil. If ctx ends, a method
// returns soon, with an error that wraps ctx.Err(); whether it happened is then unknown. Repeating any method is safe.
//
// Times are arguments, UTC in whole microseconds; a Store reads no clock. Key strings (tenants, ids, types, patterns,
// channels) are compared byte by byte. What a method returns belongs to the caller, except that the Data and Header of an
// EventRecord, and the maps and slices of an Endpoint, are shared and are changed by nobody. Endpoint.Secret is empty in a
// Store: Secrets has them all. Endpoint.URL may be sealed in part; it has up to 8,192 bytes, all of which are kept.
//
// The empty tenant is ErrInvalid wherever a tenant is asked for; only Query.AllTenants reaches all of them.
type Store interface {
	Publisher

	// Match returns, for each request, the endpoints of the tenant that have at least one of the patterns and are not
	// disabled or deleted, each once, in the order of their ids, and at most Limit of them. An endpoint with a channel
	// is returned only if it is the request's; one without is always. Paused and blocked endpoints are returned.
	Match(ctx context.Context, reqs []MatchRequest) ([][]EndpointStatus, error)

	// CreateEndpoint stores a new endpoint as it is given, Version included. The Dispatcher gives it the store time in
	// microseconds, so that an endpoint which takes a deleted one's id has a higher Version than that one had. It returns ErrConflict if the tenant has
	// one with the same id, or had one whose deliveries are still stored, and ErrFull if the tenant has limit endpoints
	// already; limit 0 is none.
	CreateEndpoint(ctx context.Context, e Endpoint, limit int) error

	// UpdateEndpoint replaces an endpoint whose Version is still e.Version, and returns it with its next Version: one
	// higher, or e.UpdatedAt in Unix microseconds if that is more. A number that a failover lost is not given again.
	// Otherwise it returns ErrConflict; ErrNotFound if there is none. CreatedAt and Health are kept, except that the
	// zero Health replaces it when e.URL is another URL, or when a disabled endpoint is disabled no longer: a new URL begins
	// without failures and without a block. Sealed URLs, {origin}/sealed:{tag}:{text}, with the same origin and tag are the same
	// URL. What the previous version said of URL, Profile and Metadata is
	// kept while an unfinished delivery was made under it.
	UpdateEndpoint(ctx context.Context, e Endpoint) (Endpoint, error)

	// DeleteEndpoint removes an endpoint from every read and match at once, in a time that does not depend on its
	// deliveries; Prune cancels those that are pending, with ReasonDeleted. ErrNotFound if there is none.
	// With a version other than 0 it removes the endpoint only while that is its Version, and
	// returns ErrConflict otherwise.
	DeleteEndpoint(ctx context.Context, key EndpointKey, version int64, now time.Time) error

	// Endpoints returns endpoints, ordered by tenant and id. It honours Tenant, AllTenants, EndpointID, MaxBytes, Limit,
	// Cursor.
	Endpoints(ctx context.Context, q Query) (Page[Endpoint], error)

	// Refresh returns the endpoints with these keys, in any order, each once; one that does not exist is left out.
	//
	// An endpoint whose row the Store cannot read fails nothing but itself. Endpoints leaves it
	// out and names it in Page.Unreadable; it is an error when it alone is asked for. Refresh returns the others
	// together with an error that names it, so that it is not taken for one that does not exist.
	// UpdateEndpoint replaces it and DeleteEndpoint removes it.
	Refresh(ctx context.Context, keys []EndpointKey) ([]Endpoint, error)

	// Claim leases due deliveries to the caller: those that are pending, due at req.Now, not leased, or whose lease ended
	// at least 5 seconds ago. Each is leased until req.LeaseUntil under a lease number one higher than its last, so no
	// two callers ever hold the same number of a delivery. Outbox rows that are due become deliveries first, to the
	// endpoints that match then, as Match would say; an event for which there are none is deleted unless Keep. One with
	// so many that it takes several calls delays no other event.
	//
	// It leases at most req.Max deliveries and, after the first, data of at most req.MaxBytes; from one endpoint at most
	// req.Room, or what req.Rooms says; an endpoint whose room is zero or less is passed over. It goes round the
	// endpoints that have due deliveries, so that none waits behind another's backlog, and within an endpoint takes the
	// longest due first. Its time does not depend on how many deliveries wait for the future, have finished, or belong to
	// endpoints that it passes over.
	//
	// It passes over an endpoint that is paused, disabled or deleted, or whose BlockedUntil is after req.Now. When a
	// Circuit's BlockedUntil has passed it leases one delivery of that endpoint, marked Probe, and moves BlockedUntil to
	// req.LeaseUntil, so that no other is leased until the probe is settled.
	//
	// One call may visit only some of the endpoints: Claimed.Next is then not empty, and the next call passes it as
	// req.Cursor to go on with the same round.
	Claim(ctx context.Context, req ClaimRequest) (Claimed, error)

	// Settle records what became of leased deliveries. Each item is judged by itself and takes effect only if its
	// LeaseNo is still the delivery's and the lease has not been settled; whether LeaseUntil has passed does not matter.
	// Otherwise its index is in Settled.Already when the same lease was settled before, else in Settled.Lost, and
	// nothing but its Attempt is stored, as Late.
	//
	// An item in effect sets State, Reason and Failures. A final State finishes the delivery. DeliveryPending makes it due
	// at DueAt, or at BlockUntil if that is later and counts, without a lease: a retry if there is an Attempt, else the lease
	// is given back.
	//
	// What an item says of its endpoint counts only if its Version is the endpoint's when Settle begins. That is its Attempt
	// as part of Health, and BlockUntil, OpenCircuit and Disable. So an answer of an earlier URL, or from before an endpoint
	// was disabled and enabled again, does nothing to the endpoint.
	//
	// Attempts are stored once for each lease number and numbered 1, 2, 3… in the order of lease numbers. Each that counts and
	// is not a Test is merged into its endpoint's Health, those of one call in any order with the same result, and a success
	// of an endpoint that is not failing writes nothing: a failure adds to Failures and moves FailingSince, LastFailureAt; a success
	// clears Failures, FailingSince, and an open Circuit with its block. BlockUntil, of items in effect, moves
	// Health.BlockedUntil if it is later, and OpenCircuit sets Circuit. Disable, unless empty, disables an endpoint that
	// is not disabled with that reason, and gives it its next Version, as UpdateEndpoint at now.
	//
	// It returns the status of every endpoint among the items that did not fail, as it is afterwards; deleted ones are left out.
	//
	// An item that cannot be stored fails alone: its index is in Settled.Failed with the reason, nothing of it is stored, and
	// the others take effect. So Settle does not wait for a row that another transaction holds. Such a row fails the items
	// that need it: its delivery's, or those that say something of its endpoint. Items that succeeded on a healthy endpoint
	// need no row of the endpoint. An error of Settle itself means that the outcome of all items is unknown.
	Settle(ctx context.Context, now time.Time, items []Settlement) (Settled, error)

	// Retry makes deliveries pending again: due at once, Failures 0, a lease number one higher, so that their attempts
	// go on counting. With EventID and EndpointID it takes that delivery whatever its state, and honours neither State nor
	// Cursor. It returns ErrNotFound if there is none, if Type, From or To leave it out, or if its endpoint is deleted;
	// ErrInFlight if it is leased at now; ErrConflict if its endpoint is disabled. Otherwise it takes what q matches, failed and canceled ones if q.State is empty, passes over those of
	// disabled and deleted endpoints, passes over leased ones and counts them in InFlight. One call may take only a part:
	// Next is then the cursor for the next. It honours what Deliveries does.
	Retry(ctx context.Context, q Query, now time.Time) (Recovered, error)

	// Cancel makes pending deliveries canceled with ReasonCanceled. It selects and answers as Retry does, only among
	// pending ones; a single one that has finished is ErrConflict. A delivery that waits with an expired lease, or for a
	// retry, is canceled; its lease number goes up by one.
	Cancel(ctx context.Context, q Query, now time.Time) (Recovered, error)

	// Events returns events, the newest first. It honours Tenant, AllTenants, EventID, Type, From and To (of CreatedAt),
	// NoBodies, MaxBytes, Limit and Cursor. Test is set as it was published.
	Events(ctx context.Context, q Query) (Page[EventRecord], error)

	// Deliveries returns deliveries by their event, the newest first, then by endpoint id. It honours Tenant, AllTenants,
	// EventID, EndpointID, Type, State, From and To (of the event's CreatedAt), Limit and Cursor. now decides InFlight. Test is the
	// event's, whatever became of the delivery.
	Deliveries(ctx context.Context, q Query, now time.Time) (Page[Delivery], error)

	// Attempts returns attempts of one event or one endpoint (EventID or EndpointID is required), the latest StartedAt
	// first. It honours Tenant, EventID, EndpointID, Class, Status, From and To (of StartedAt), NoBodies, MaxBytes, Skip,
	// Limit and Cursor.
	Attempts(ctx context.Context, q Query) (Page[Attempt], error)

	// Stats counts unfinished deliveries.
	Stats(ctx context.Context, now time.Time) (Stats, error)

	// Prune does a short piece of housekeeping and reports whether there is more: it cancels pending deliveries of
	// disabled endpoints (with their reason) and of deleted ones, except leased ones; forgets deleted endpoints that have
	// none left; removes secrets from endpoints when they have expired, without a new Version; and removes what is older than r says, response bodies, attempts, and events with their deliveries, never
	// of an event with an unfinished delivery. Ages count from the event's CreatedAt; a negative age keeps for ever.
	//
	// One call removes a bounded number of rows, however many deliveries an event has. An
	// event is removed at once for every reader: from then on no method shows it, its
	// deliveries or its attempts, and its id is free. The rest of a wide one is removed by
	// later calls.
	//
	// Processes that share a Store may leave the housekeeping to one of them: a call of another does nothing, except
	// after it disabled or deleted an endpoint. When that one stops, another goes on within two minutes of calls.
	//
	// Prune may run while endpoints change. A delivery that is pending when UpdateEndpoint
	// has made its endpoint active stays pending, and so does each that is published later.
	// The same holds for an endpoint that CreateEndpoint has made anew.
	Prune(ctx context.Context, now time.Time, r Retention) (more bool, err error)

	// Erase removes all that is stored of a tenant. A lease of its deliveries is lost. It alone may do a part of its work when
	// it fails; repeat it.
	Erase(ctx context.Context, tenant string) error
}

// A PublishRequest is one transaction's worth of events.
type PublishRequest struct {
	Now        time.Time
	LeaseUntil time.Time // of the rows that are Leased
	Atomic     bool      // all events or none
	Events     []EventRecord
}

// NewDelivery is a row to insert with its event.
type NewDelivery struct {
	EndpointID string
	Version    int64     // of the endpoint, as matched
	DueAt      time.Time // of a pending row that is not leased
	Leased     bool

	// State and Attempt are for test sends, which are stored when they are over. State is otherwise empty.
	State   DeliveryState
	Reason  Reason
	Attempt *Attempt
}

// Published is what became of one event of a PublishRequest.
type Published struct {
	Deliveries int // inserted
	Duplicate  bool
	Held       bool  // not stored, because another transaction holds the id; Err is set
	Err        error // ErrConflict, ErrFull, or what the Store reports of this event alone
}

// A MatchRequest asks for the endpoints of one event.
type MatchRequest struct {
	Tenant   string
	Channel  string
	Patterns []string // see EventRecord.Patterns
	Limit    int
}

// A ClaimRequest says how much work the caller has room for.
type ClaimRequest struct {
	Now        time.Time
	LeaseUntil time.Time
	Max        int // deliveries
	MaxBytes   int // of Data, each event counted once
	Room       int // deliveries of one endpoint
	Rooms      map[EndpointKey]int
	Cursor     string // Claimed.Next of the last call; empty begins a round
}

// Claimed is work leased to the caller.
type Claimed struct {
	Deliveries []Leased
	Events     []EventRecord // those of Deliveries, each once
	Endpoints  []Endpoint    // those of Deliveries, each once, as they are now, with secrets

	// Snapshots has, for each delivery made under another version than its endpoint's present one, that version: key,
	// Version, URL, Profile and Metadata, each once.
	Snapshots []Endpoint

	// Unreadable says which rows the Store could not read, such as an endpoint that a later
	// version of the application has written. Their deliveries are left out until the row
	// can be read. Those of an endpoint are not leased, and the Store looks at it again after
	// a minute. Those of an event, or of an earlier version of an endpoint, come again each
	// time that a lease would have ended.
	Unreadable []error

	// Next is the cursor of the rest of the round; empty when all endpoints have been visited.
	Next string

	// NextDue is when the next delivery becomes due, if the Store knows one; a hint.
	NextDue time.Time
}

// Leased is a delivery in the caller's hands.
type Leased struct {
	UID        uuid.UUID // of its event
	Endpoint   EndpointKey
	Version    int64 // of the endpoint when the delivery was made
	LeaseNo    int64
	LeaseUntil time.Time
	Attempts   int       // logged before, Late ones not counted
	Failures   int       // see Delivery.Failures
	Since      time.Time // first due, or retried by hand: a delivery's age counts from here
	Probe      bool      // the only delivery that is leased of an endpoint whose circuit is open
}

// A Settlement is what became of one leased delivery.
type Settlement struct {
	UID      uuid.UUID
	Endpoint EndpointKey
	LeaseNo  int64

	State    DeliveryState
	Reason   Reason    // of a final State other than DeliverySucceeded
	DueAt    time.Time // of DeliveryPending
	Failures int
	Attempt  *Attempt // nil: no request was made

	// What it says of the endpoint.
	Version     int64     // of the endpoint that the request was made under
	BlockUntil  time.Time // zero for nothing
	OpenCircuit bool
	Disable     Reason
}

// Settled reports on the items of a Settle.
type Settled struct {
	Already   []int
	Lost      []int
	Failed    map[int]error // items that were not stored, and why; nil for none
	Endpoints []EndpointStatus
}

// Recovered reports what Retry or Cancel did.
type Recovered struct {
	Changed  int
	InFlight int    // passed over, because they were being sent
	Next     string // of a Store: the cursor for the rest; empty when all is done
}

// A Query selects endpoints, events, deliveries or attempts. Zero fields do not narrow; a method refuses a field that it
// does not honour. [Scope] sets Tenant.
type Query struct {
	Tenant     string
	AllTenants bool // with Tenant empty: of every tenant

	EventID    string
	EndpointID string
	Type       string        // exact event type
	State      DeliveryState // of deliveries
	Class      Class         // of attempts
	Status     int           // of attempts

	From time.Time // inclusive
	To   time.Time // exclusive

	// NoBodies leaves out the Data and Header of events and the ResponseBody of attempts. A
	// Store does not read them then, so a list that shows none of them costs little.
	NoBodies bool

	// MaxBytes bounds the size of a page. The page ends before the row that would exceed it,
	// except that the first row always fits. It counts bodies, headers, settings and about
	// 256 bytes for each row. Zero means 4 MiB, which is the most.
	MaxBytes int

	// Skip is the number of matching attempts to pass over before the first of the page, 0 to
	// 1,000. A Store reads only their keys. A page that reads 1,000 rows before it has passed
	// over so many is empty and has a Next, and its remaining Skip is lost.
	Skip int

	Limit  int    // rows of a page, 1 to 1,000. Zero means 100.
	Cursor string // Page.Next of the page before
}

// A Page is a part of a list. A page may be short, even empty, and still have a Next: a Store
// reads at most 1,000 rows for one, and returns at most Query.MaxBytes.
type Page[T any] struct {
	Items []T
	Next  string // the cursor of the next page; empty at the end

	// Unreadable says which rows a Store could not read and left out. A [Scope] passes that
	// on to Observer.Error and the log, and leaves the field empty.
	Unreadable []error
}

// Stats are counts of unfinished deliveries over all tenants and processes.
type Stats struct {
	Pending  int       // all of them
	Due      int       // due now, and neither in flight nor held
	InFlight int       // leased
	Waiting  int       // for a retry or NotBefore
	Held     int       // due, behind a paused, disabled or blocked endpoint
	Outbox   int       // events whose deliveries are not made yet
	OldestAt time.Time // since when the oldest of Due is due; zero for none
}

// Retention says how long things are kept; ages count from the event. Zero means the default, negative for ever.
type Retention struct {
	ResponseBodies time.Duration // Defaults to 7 days.
	Attempts       time.Duration // Defaults to 30 days.
	Events         time.Duration // finished ones, with their deliveries. Defaults to 30 days.
}

// Default ages.
const (
	defaultBodyAge    = 7 * 24 * time.Hour
	defaultAttemptAge = 30 * 24 * time.Hour
	defaultEventAge   = 30 * 24 * time.Hour
)
