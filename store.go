package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// A Publisher stores events. A [Store] is one. A SQL store also turns the caller's transaction
// into one, for [Dispatcher.EmitTx].
type Publisher interface {
	// Publish stores all events in one transaction, and returns one result for each event, in
	// their order. It stores each event with its deliveries, or with an outbox row when
	// Deliveries is nil.
	//
	// An event whose (Tenant, ID) is stored already is not stored again. If Type, Channel and
	// Data are the same, the result is Duplicate. Otherwise its Err is ErrConflict. The same
	// holds between two events of one request. With NewID the caller promises that no stored
	// event has the id. A Store without room answers ErrFull for that event.
	//
	// Such a result concerns one event, and the others are stored. If the request is Atomic,
	// nothing is stored when any result has an Err.
	//
	// An unfinished transaction elsewhere may hold an id. A Store does not wait for it: the
	// event is not stored, its result is Held, and its Err gives the reason. The other events
	// are stored as if the held event were not there. If the request is Atomic, nothing is
	// stored, and at least one such event is Held. The request itself then holds none of its
	// ids.
	//
	// Some databases also lock the place of an id that nobody holds. An event with such an id
	// may be Held too. With NewID that happens only if the other transaction holds the id of a
	// UUIDv7 with a later time. The Publisher of a transaction waits as its database does.
	//
	// A delivery row with a final State is stored as finished, with its Attempt, and with
	// LastStatus and LastClass of that. Any other row is pending. It is due at DueAt or, if Leased,
	// held by the caller under lease number 1 until LeaseUntil.
	//
	// Publish reads no endpoint and changes no row that another publisher shares. Prune cancels
	// a row for an endpoint that no longer exists. A row for a version that is no longer kept
	// is made under the present version.
	//
	// An error means that the outcome is unknown. Repeating the request with the same ids is
	// safe. The records belong to the Store from the call on, and the caller does not change
	// them.
	Publish(ctx context.Context, req PublishRequest) ([]Published, error)
}

// A Store keeps endpoints, events, deliveries and attempts, and hands out due work. This
// comment and those of the methods and of [Settlement] are the contract. Package storetest has
// a test for each sentence.
//
// All methods are safe for concurrent use, by many processes if they share the store. Each
// method is atomic: it happens wholly or not at all. When it returns nil, its changes are as
// durable as the store is.
//
// If ctx ends, a method returns soon, with an error that wraps ctx.Err(). Its outcome is then
// unknown. Repeating any method is safe.
//
// Times are arguments, UTC in whole microseconds; a Store reads no clock. Key strings
// (tenants, ids, types, patterns, channels) are compared byte by byte.
//
// Results belong to the caller, except for values that are shared and that nobody changes.
// These are the Data and Header of an EventRecord, and the maps and slices of an Endpoint.
// Endpoint.Secret is empty in a Store, because Secrets has every secret. Endpoint.URL may be
// sealed in part. It has up to 8,192 bytes, and all of them are kept. Endpoint.Rate has at most
// six decimals, and they are kept.
//
// A method that takes a tenant returns ErrInvalid for the empty one. Only Query.AllTenants
// reaches all tenants.
//
// # Optional interfaces
//
// A Store may implement these too. The Dispatcher looks for them on the Store itself, so a
// wrapper around a Store must pass them on.
//
//   - [Clock]: the store has a clock that all processes share.
//   - [Listener]: processes can wake each other through the store.
//   - [Volatile]: the store keeps nothing when the process ends.
//
// The Publisher of a transaction may be a [Clock].
type Store interface {
	Publisher

	// Match returns the endpoints of the tenant that match each request. An endpoint matches if
	// it has at least one of the patterns and is not disabled or deleted. Paused and blocked
	// endpoints are returned too. An endpoint with a channel matches only a request with the
	// same channel. An endpoint without a channel matches every request.
	//
	// The answer to a request has each endpoint once, in the order of their ids, and at most
	// Limit endpoints. If nothing matches a request with Dormant, the answer has one disabled
	// endpoint that would match, if there is one.
	Match(ctx context.Context, reqs []MatchRequest) ([][]EndpointStatus, error)

	// CreateEndpoint stores a new endpoint as given, with its Version. The Dispatcher sets
	// Version to the store time in microseconds. An endpoint that takes the id of a deleted one
	// therefore has a higher Version.
	//
	// It returns ErrConflict if the tenant has an endpoint with the same id, or had one whose
	// deliveries are still stored. It returns ErrLimit if the tenant already has limit
	// endpoints. A limit of 0 means no limit.
	CreateEndpoint(ctx context.Context, e Endpoint, limit int) error

	// UpdateEndpoint replaces an endpoint whose Version is still e.Version, and returns it with
	// its next Version. Otherwise it returns ErrConflict, or ErrNotFound if there is no such
	// endpoint. The next Version is one higher, or e.UpdatedAt in Unix microseconds if that is
	// more. So a Version that a failover lost is not given again.
	//
	// CreatedAt and Health are kept. Health becomes the zero Health in two cases: e.URL is
	// another URL, or a disabled endpoint is disabled no longer. A new URL thus begins without
	// failures and without a block. Two sealed URLs, {origin}/sealed:{tag}:{text}, with the
	// same origin and tag count as the same URL.
	//
	// While a delivery that was made under the previous version is unfinished, the URL, Profile
	// and Metadata of that version are kept.
	UpdateEndpoint(ctx context.Context, e Endpoint) (Endpoint, error)

	// DeleteEndpoint removes an endpoint from every read and match at once. Its time does not
	// depend on the number of deliveries. Prune cancels the pending ones, with ReasonDeleted.
	// It returns ErrNotFound if there is no such endpoint.
	//
	// With a version other than 0 it removes the endpoint only while that is its Version, and
	// returns ErrConflict otherwise.
	DeleteEndpoint(ctx context.Context, key EndpointKey, version int64, now time.Time) error

	// Endpoints returns endpoints, ordered by tenant and id. It honours Tenant, AllTenants,
	// EndpointID, Health, MaxBytes, Limit and Cursor.
	//
	// Health selects endpoints with that Health.Status, or a later one on the way to disabled, that
	// are not disabled. With AllTenants they are ordered by FailingSince, the earliest first.
	Endpoints(ctx context.Context, q Query) (Page[Endpoint], error)

	// Refresh returns the endpoints with these keys, in any order, each once. It leaves out
	// keys without an endpoint.
	//
	// If the Store cannot read the row of an endpoint, only that endpoint fails. Endpoints
	// leaves it out and names it in Page.Unreadable; a query for it alone is an error. Refresh
	// returns the others together with an error that names it, so that the caller does not take
	// it for deleted. UpdateEndpoint replaces such a row and DeleteEndpoint removes it.
	Refresh(ctx context.Context, keys []EndpointKey) ([]Endpoint, error)

	// Claim leases due deliveries to the caller. A delivery is due if it is pending and its time
	// is not after req.Now. The clocks of two processes may differ a little, so a Store may take
	// a delivery up to 2 seconds early if it was due by the clock of the process that published
	// or settled it. A delivery must not be leased, or its lease must have ended at least 5
	// seconds ago. Its new lease lasts until req.LeaseUntil and has a number one higher than the
	// last. So no two callers ever hold the same lease number of a delivery.
	//
	// Each lease adds to Leased.Waited the time for which the delivery was due and not leased:
	// from the time when it was due, or from 5 seconds after the end of its last lease, to
	// req.Now. Example: a delivery is due at 10:00, its endpoint is paused until 12:00, and it
	// is leased at 12:01. Its Waited is 2 hours and 1 minute.
	//
	// Due outbox rows become deliveries first, to the endpoints that match at that time, as in
	// Match. An event without such endpoints is deleted, unless it has Keep, or a disabled endpoint
	// would match and it has no About. An event with so many endpoints that it takes several calls
	// delays no other event.
	//
	// It leases at most req.Max deliveries. It adds a delivery after the first only while their
	// data stays within req.MaxBytes. The bound of one endpoint is its entry in req.Rooms, or
	// else req.Room. An endpoint with a room of zero or less is passed over.
	//
	// It goes round the endpoints that have due deliveries, so no endpoint waits behind
	// another's backlog. Within an endpoint it takes the delivery that has been due longest
	// first. Its time does not depend on deliveries that wait for the future, have finished, or
	// belong to endpoints that it passes over.
	//
	// It passes over an endpoint that is paused, disabled or deleted, or whose BlockedUntil is
	// after req.Now. When the BlockedUntil of a Circuit has passed, it leases one delivery of
	// that endpoint, marked Probe. It then moves BlockedUntil to req.LeaseUntil, so that no
	// other delivery is leased until the probe is settled.
	//
	// The Rate and Burst of an endpoint bound its leases over all calls. After a pause it may have
	// Burst at once, and then one more in each interval of 1/Rate seconds. A Burst of 0 stands for
	// the leases of a fifth of a second, and at least 1. Leases of retries and probes count, and so
	// do those that are given back. Leases of Publish do not. While the rate allows none, Claim
	// passes over the endpoint. An endpoint that is new, or whose Rate or Burst UpdateEndpoint has
	// changed, may have Burst at once.
	//
	// Example: an endpoint with a Rate of 2 and a Burst of 3 has a backlog. A claim at 10:00:00.0
	// leases 3 deliveries, and one at 10:00:00.1 none. Claims at 10:00:00.5 and 10:00:02.0 lease 1
	// and 3.
	//
	// One call may visit only some of the endpoints. Claimed.Next is then not empty, and the
	// next call passes it as req.Cursor to go on with the same round.
	Claim(ctx context.Context, req ClaimRequest) (Claimed, error)

	// Settle records the results of leased deliveries. Each item is judged by itself. It takes
	// effect only if its LeaseNo is still the delivery's and that lease has not been settled.
	// It does not matter whether LeaseUntil has passed.
	//
	// Otherwise its index is in Settled.Already if the Store knows that the same lease was
	// settled before, else in Settled.Lost. A Store knows it while the log has the Attempt
	// that settled the lease. Of a lease that was given back it knows it at least until the
	// delivery is settled again. Of such an item only the Attempt is stored, as Late, and only
	// if the log has none of the same lease number.
	//
	// Example: lease 1 is given back without an Attempt. Then it is settled again, with an
	// Attempt: the item is in Already, and the Attempt is stored as Late. The third time the
	// item is in Already too, and nothing is stored.
	//
	// An item in effect sets State, Reason and Failures. With an Attempt it also sets LastStatus and
	// LastClass of the delivery. A final State finishes the delivery.
	// DeliveryPending makes it due at DueAt, or at BlockUntil if that is later and counts,
	// without a lease. The time from DueAt to such a BlockUntil is added to Leased.Waited. With
	// an Attempt it is a retry; without one the lease is given back.
	//
	// An item may change its endpoint, and cause notices: see Settlement.
	//
	// Attempts are stored once for each lease number, as long as the log has them: one that
	// Prune removed may be stored again. They are numbered 1, 2, 3… in the order of lease
	// numbers.
	//
	// Settled.Endpoints has the status of every endpoint among the items that did not fail, as
	// it is afterwards. Deleted endpoints are left out.
	//
	// An item that cannot be stored fails alone. Its index is in Settled.Failed with the
	// reason, nothing of it is stored, and the others take effect. So Settle does not wait for
	// a row that another transaction holds. Such a row fails only the items that need it. The
	// row of a delivery fails its item. The row of an endpoint fails the items that change the
	// endpoint. Items that succeeded on a healthy endpoint do not need its row.
	//
	// An error of Settle itself means that the outcome of all items is unknown.
	Settle(ctx context.Context, now time.Time, items []Settlement) (Settled, error)

	// Retry makes deliveries pending again: due at once, with Failures 0 and Waited 0. Their
	// lease number goes up by one, so that their attempts go on counting. LastStatus and
	// LastClass stay. It honours the same fields as Deliveries, except Class and Status.
	//
	// With EventID and EndpointID, no other field but Tenant is set, and it takes that delivery
	// in any state. It may then return these errors:
	//
	//   - ErrNotFound if there is no such delivery, or if its endpoint is deleted.
	//   - ErrInFlight if it is leased at now.
	//   - ErrConflict if its endpoint is disabled.
	//
	// Otherwise it takes the deliveries that q matches: failed and canceled ones if q.State is
	// empty. It passes over deliveries of disabled and deleted endpoints. It also passes over
	// leased ones, and counts them in InFlight. One call may take only a part; Next is then the
	// cursor for the next call.
	Retry(ctx context.Context, q Query, now time.Time) (BulkResult, error)

	// Cancel makes pending deliveries canceled, with ReasonCanceled. It selects and answers as
	// Retry does, but only among pending deliveries. A single delivery that has finished is
	// ErrConflict. A delivery that waits with an expired lease, or for a retry, is canceled,
	// and its lease number goes up by one.
	//
	// With Tenant and EventID, but no EndpointID, Cancel also takes a matching event out of the
	// outbox: no more deliveries of it are made. That counts as one in Changed. The event stays
	// stored, as one with Keep does.
	Cancel(ctx context.Context, q Query, now time.Time) (BulkResult, error)

	// CountReplay counts the deliveries that a replay selects, or the events for Missed, and
	// changes nothing. It reads Tenant, AllTenants, Request, Cancels and CreatedAt. A replay
	// selects the following:
	//
	//   - With Request.Missed: events of the tenant that match the subscriptions and the channel
	//     of the endpoint, and have no delivery to it. Test events are left out, and so are
	//     events whose deliveries the Store is still to make.
	//   - With Cancels: pending deliveries.
	//   - Otherwise: deliveries with one of Request.States. Finished ones must have finished
	//     before CreatedAt. A pending one is left out if Retry has made it due at CreatedAt.
	//
	// The events must have been emitted before CreatedAt, and match the other fields of the
	// Request. Deliveries of disabled and deleted endpoints are left out.
	//
	// exact says that matched is the number of all. Otherwise there are at least matched: the
	// count ends at 10,000, or when it has read about 20,000 rows. So its time does not depend
	// on the number of stored rows.
	CountReplay(ctx context.Context, r Replay) (matched int, exact bool, err error)

	// CreateReplay stores an unfinished replay. Its ID is a UUIDv7 of CreatedAt. It is due at
	// once. If an unfinished replay with the same Key exists, CreateReplay returns that one and
	// stores nothing. It returns ErrLimit if 5 replays of the tenant are unfinished, or 100 in
	// all. Replays with AllTenants count as of a tenant of their own. Key is not returned.
	CreateReplay(ctx context.Context, r Replay) (Replay, error)

	// StepReplay does a step of one unfinished replay that is due at now, and returns the replay
	// as it is afterwards. Of several it takes the one that has been due the longest. If none is
	// due, it does nothing, and stepped is zero. next is the time when the next replay is due,
	// or zero if none is unfinished.
	//
	// A step visits the next of the selected deliveries, each once in the whole replay. It makes
	// finished ones pending again as Retry does, and creates the missed ones, due at once under
	// the present version of the endpoint. With Cancels it cancels as Cancel does. It passes over
	// leased ones, and counts them in Skipped. Whatever was selected and has changed meanwhile
	// is left alone, so no event ever has two deliveries to one endpoint.
	//
	// A step changes at most as many deliveries as Request.Rate allows in one second, and at
	// least one. It reads at most about 5,000 rows. Then the replay is due again when the rate
	// allows. For example, at a rate of 10, a step that has changed 10 is followed by one a
	// second later, and a step that has changed 5 by one after half a second. At a rate of 0.1,
	// a step changes one delivery, and the next follows after 10 seconds.
	//
	// When nothing is left, the replay has its FinishedAt. If it is for one endpoint of a tenant,
	// and that is disabled or deleted, the step ends it as canceled. Its Reason is then the
	// endpoint's, or ReasonDeleted.
	//
	// The step and the progress of the replay are one transaction, so no step is lost or done
	// twice, wherever a process ends. Two calls never step the same replay at the same time. A
	// step does not wait for rows that other transactions hold: it ends before the first such
	// delivery, and the next step tries again.
	StepReplay(ctx context.Context, now time.Time) (stepped Replay, next time.Time, err error)

	// CancelReplay ends the unfinished replay with q.ReplayID, with ReasonCanceled, and returns
	// it. No step follows. It honours Tenant and AllTenants, and returns ErrNotFound if there is
	// no such replay. A canceled replay is returned as it is, and a finished one is ErrConflict.
	CancelReplay(ctx context.Context, q Query, now time.Time) (Replay, error)

	// Replays returns replays, the newest first. It honours Tenant, AllTenants, ReplayID, Limit
	// and Cursor. With AllTenants it returns the replays of each tenant and those of all.
	Replays(ctx context.Context, q Query) (Page[Replay], error)

	// Events returns events, the newest first. It honours Tenant, AllTenants, EventID, Type,
	// From and To (of CreatedAt), NoBodies, MaxBytes, Limit and Cursor. Test is set as it was
	// published.
	Events(ctx context.Context, q Query) (Page[EventRecord], error)

	// Deliveries returns deliveries by their event, the newest first, then by endpoint id. It
	// honours Tenant, AllTenants, EventID, EndpointID, Type, State, Class and Status (of the last
	// attempt), From and To (of the event's CreatedAt), FinishedFrom, FinishedTo, Limit and Cursor.
	// A Class of ClassRefused selects deliveries with ClassDNS and ClassBlocked too. now decides
	// InFlight. Test is the event's, in every state of the delivery.
	Deliveries(ctx context.Context, q Query, now time.Time) (Page[Delivery], error)

	// Attempts returns attempts of one event or one endpoint, the latest StartedAt first. EventID
	// or EndpointID is then required, with Tenant. With AllTenants, and neither of them, it
	// returns the failed attempts of all tenants: those with a Class. It honours Tenant,
	// AllTenants, EventID, EndpointID, Class, Status, From and To (of StartedAt), NoBodies,
	// MaxBytes, Skip, Limit and Cursor.
	Attempts(ctx context.Context, q Query) (Page[Attempt], error)

	// Stats counts unfinished deliveries, and endpoints.
	Stats(ctx context.Context, now time.Time) (Stats, error)

	// Backlog counts the unfinished deliveries of one endpoint as Stats does, up to 10,000 of them.
	// It sets NextAt, and leaves Outbox and Endpoints zero. It returns ErrNotFound if there is no
	// such endpoint.
	Backlog(ctx context.Context, key EndpointKey, now time.Time) (Stats, error)

	// Prune does a short piece of housekeeping and reports whether there is more:
	//
	//   - It cancels pending deliveries of disabled endpoints, with their reason, and of
	//     deleted ones, but no leased deliveries.
	//   - It forgets deleted endpoints that have no deliveries left.
	//   - It removes expired secrets from endpoints, without a new Version.
	//   - It removes response bodies, attempts, and events with their deliveries when they are
	//     older than r says. It never removes an event with an unfinished delivery.
	//   - It removes replays that ended longer ago than r.Events.
	//
	// Ages count from the event's CreatedAt. With a negative age the rows are kept for ever. The
	// Dispatcher fills in the defaults, so no age is zero.
	//
	// One call removes a bounded number of rows, however many deliveries an event has. An event
	// is removed at once for every reader: from then on no method shows it, its deliveries or
	// its attempts, and its id is free. Later calls remove the remaining rows of an event with
	// many deliveries.
	//
	// Processes that share a Store may leave the housekeeping to one of them. A call of another
	// process then does nothing, except after it disabled or deleted an endpoint. When the
	// first process stops, another goes on within two minutes of calls.
	//
	// Prune may run while endpoints change. A delivery that is pending when UpdateEndpoint has
	// made its endpoint active stays pending, and so does each that is published later. The
	// same holds for an endpoint that CreateEndpoint has made anew.
	Prune(ctx context.Context, now time.Time, r Retention) (more bool, err error)

	// Erase removes everything that is stored of a tenant, its replays too. Leases of its
	// deliveries are lost.
	// Unlike the other methods, it may have done a part of its work when it fails; repeat it.
	Erase(ctx context.Context, tenant string) error
}

// A Volatile store may say that its contents end with the process, as memstore does. The
// Dispatcher then does not warn that secrets are stored in clear.
type Volatile interface {
	// Volatile reports whether everything in the Store ends with the process.
	Volatile() bool
}

// A PublishRequest is the events of one transaction.
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

	// State, Reason and Attempt are for test sends, which are stored when they are over.
	// Otherwise State is empty.
	State   DeliveryState
	Reason  Reason
	Attempt *Attempt
}

// Published is the result of one event of a PublishRequest.
type Published struct {
	Deliveries int // inserted
	Duplicate  bool
	Held       bool  // not stored, because another transaction holds the id; Err is set
	Err        error // ErrConflict, ErrFull, or the Store's error for this event alone
}

// A MatchRequest asks for the endpoints of one event.
type MatchRequest struct {
	Tenant   string
	Channel  string
	Patterns []string // see EventRecord.Patterns
	Limit    int      // endpoints of the answer, at least 1
	Dormant  bool     // look for a disabled endpoint if there is no other
}

// A ClaimRequest says how much work the caller has room for.
type ClaimRequest struct {
	Now        time.Time
	LeaseUntil time.Time
	Max        int                 // deliveries
	MaxBytes   int                 // of Data, each event counted once
	Room       int                 // deliveries of one endpoint; 0 for none
	Rooms      map[EndpointKey]int // in place of Room, for these endpoints
	Cursor     string              // Claimed.Next of the last call; empty begins a round
}

// Claimed is work leased to the caller.
type Claimed struct {
	Deliveries []Leased
	Events     []EventRecord // of Deliveries, each once
	Endpoints  []Endpoint    // of Deliveries, each once, as they are now, with secrets

	// Snapshots has the versions under which Deliveries were made, where they differ from the
	// endpoint's present one, each once. A snapshot has key, Version, URL, Profile and
	// Metadata.
	Snapshots []Endpoint

	// Unreadable has an error for each row that the Store could not read, for example an
	// endpoint that a later version of the application has written. The deliveries of such a
	// row are left out until it can be read.
	//
	// Deliveries of an unreadable endpoint are not leased, and the Store looks at the endpoint
	// again after a minute. Deliveries of an event or of an earlier version of an endpoint come
	// again each time that a lease would have ended.
	Unreadable []error

	// Next is the cursor of the rest of the round. It is empty when all endpoints have been
	// visited.
	Next string

	// NextDue is the time when the next delivery becomes due, if the Store knows one. It is a
	// hint.
	NextDue time.Time
}

// Leased is a delivery in the caller's hands.
type Leased struct {
	UID        uuid.UUID // of its event
	Endpoint   EndpointKey
	Version    int64 // of the endpoint when the delivery was made
	LeaseNo    int64
	LeaseUntil time.Time
	Attempts   int           // logged before, Late ones not counted
	Failures   int           // see Delivery.Failures
	Since      time.Time     // first due, or retried by hand: a delivery's age counts from here
	Waited     time.Duration // part of its age for which it was due and not leased
	Probe      bool          // the only leased delivery of an endpoint with an open circuit
}

// A Settlement is the result of one leased delivery.
//
// # Its endpoint
//
// Its Attempt becomes part of the endpoint's Health, and BlockUntil, OpenCircuit, Status and
// Disable apply. That counts only if Version is the endpoint's when Settle begins. So an answer
// of an earlier URL, or from before an endpoint was disabled and enabled again, does nothing to
// the endpoint.
//
// Each Attempt that counts and is not a Test is merged into Health. The attempts of one call
// give the same Health in any order:
//
//   - A failure adds to Failures and moves FailingSince and LastFailureAt.
//   - A success clears Failures, FailingSince, and an open Circuit with its block. A
//     success of an endpoint that is not failing writes nothing.
//
// An Excused attempt is logged, but is not part of Health.
//
// BlockUntil, of items in effect, moves Health.BlockedUntil if it is later, and OpenCircuit
// sets Circuit. ProbeUntil ends the block of the claim: while Circuit is set and
// BlockedUntil is exactly ProbeUntil, it is replaced by BlockUntil, also by an earlier or the
// zero one. An OpenCircuit with an Attempt from before Health.RecoveredAt does nothing, and
// neither do its BlockUntil and Holds.
//
// Holds and Throttles raise the numbers of Health of the same names, and never lower them. A
// success sets both to 0, and a failure with a Status other than 429 sets Throttles to 0. A
// Disable that is not empty disables an endpoint that is not disabled, with that reason. It
// gives the endpoint its next Version, as UpdateEndpoint at now would.
//
// Status sets Health.Status, and Since to now, if it is later on the way to disabled. A
// success that ends a run of failures ends Status too. Status, and a Disable with
// FailingSince, apply only while Health.FailingSince is the item's FailingSince. So a
// decision about a run of failures that has ended does nothing.
//
// # Notices
//
// A Notice is made when Status changes, when Disable applies, and for an item in effect whose
// State is DeliveryFailed. Settled.Notices has all of them, in any order, each once over all
// calls. There is none for a test, for a deleted endpoint, or about the delivery of an
// operational event.
//
// For each Notice the Store calls the item's Announce. It stores the event that Announce
// returns, with an outbox row, in the same transaction. The outbox row makes no delivery to
// the endpoint About. A Store without room leaves the event out.
//
// If there was an event of the same type about the endpoint less than an hour before, there
// is no event: the Notice is Silent, and counts in the next one's Withheld. UpdateEndpoint
// forgets the earlier events.
type Settlement struct {
	UID      uuid.UUID
	Endpoint EndpointKey
	LeaseNo  int64

	State    DeliveryState
	Reason   Reason    // of a final State other than DeliverySucceeded
	DueAt    time.Time // of DeliveryPending
	Failures int
	Attempt  *Attempt // nil: the lease is given back, or the delivery ends without a try

	// The item's consequences for the endpoint.
	Version      int64     // of the endpoint that the request was made under
	Excused      bool      // the attempt failed for a reason that is not the endpoint's
	BlockUntil   time.Time // zero for nothing
	ProbeUntil   time.Time // LeaseUntil of a probe; zero for other deliveries
	OpenCircuit  bool
	Holds        int // a new value of Health.Holds; 0 for nothing
	Throttles    int // a new value of Health.Throttles; 0 for nothing
	Status       HealthStatus
	Disable      Reason
	FailingSince time.Time // the run of failures that Status and Disable follow from; zero for none

	// Announce returns the operational event of a notice that the item causes, or nil. It is a
	// pure function. A Store may call it again when it repeats a transaction. A nil Announce
	// makes no events.
	Announce func(*Notice) *EventRecord
}

// Settled reports on the items of a Settle. Already, Lost and the keys of Failed are indexes
// of items.
type Settled struct {
	Already   []int            // the same lease was settled before
	Lost      []int            // the lease is no longer the delivery's
	Failed    map[int]error    // not stored, and why; nil for none
	Notices   []Notice         // changes that the items made
	Endpoints []EndpointStatus // of the items that did not fail, as they are afterwards
}

// A BulkResult reports the result of Retry or Cancel.
type BulkResult struct {
	Changed  int
	InFlight int    // passed over, because they were being sent
	Replay   string // of a Scope: the id of the Replay that does the rest; empty when all is done
	Next     string // of a Store: the cursor for the rest; empty when all is done
}

// Stats are counts of unfinished deliveries over all tenants and processes, or of one endpoint
// for [Scope.Backlog]. Pending is the sum of Due, InFlight, Waiting and Held.
type Stats struct {
	Pending  int       // all of them
	Due      int       // due now, and neither in flight nor held
	InFlight int       // leased
	Waiting  int       // for a retry or NotBefore
	Held     int       // due, behind an endpoint that is paused, disabled, blocked or beyond its Rate
	Outbox   int       // events whose deliveries are not made yet; not part of Pending
	OldestAt time.Time // since when the oldest of Due is due; zero for none
	NextAt   time.Time // of Scope.Backlog: when the next of Waiting is due; zero for none
	At       time.Time // store time of the counts; Dispatcher.Stats and Scope.Backlog set it

	// Endpoints counts endpoints by their State. Failing ones are those with a Health.Status; they
	// are counted in Active or Paused too.
	Endpoints struct{ Active, Paused, Disabled, Failing int }
}

// Retention says how long rows are kept. Ages count from the event. Zero means the default; a
// negative value means for ever.
type Retention struct {
	ResponseBodies time.Duration // Defaults to 7 days.
	Attempts       time.Duration // Defaults to 30 days.
	Events         time.Duration // finished ones, with their deliveries. Defaults to 30 days.
}

// A Clock is implemented by a [Store] that knows the time for all its processes, for example
// from the server of a SQL database. Processes with differing clocks then agree on leases and
// due times.
//
// The Dispatcher claims, emits and changes nothing before its first reading has succeeded.
// Emit waits for the reading within its context, or fails. The Dispatcher reads the clock
// again:
//
//   - every 30 seconds
//   - at once when a process resumes after its machine was suspended, or when leases were lost
//   - up to once a second after the clock has moved against the process's own
//
// The [Publisher] of a transaction may be a Clock too. [Dispatcher.EmitTx] then reads the time
// through the transaction where it would otherwise ask the Store, which may have no other
// connection.
//
// The clock itself must not step. An example is a failover to a server whose clock is minutes
// off. Deliveries are then sent twice, because processes take each other's leases until they
// have read the clock again. After a step back, leased and due deliveries wait for as long as
// the step.
type Clock interface {
	// Now returns the store's time. A reading that takes more than 2 seconds is refused.
	Now(ctx context.Context) (time.Time, error)
}

// A Listener is implemented by a [Store] through which processes can tell each other that
// there is work. A process cannot begin every delivery itself, for example after EmitTx or
// without Run. With a Listener such a delivery begins at once in another process. Without it,
// polling finds the delivery.
type Listener interface {
	// Listen calls notified once when it has begun, and whenever a process has called Notify.
	// It returns when ctx ends, or with an error. After an error it is called again, except
	// after [errors.ErrUnsupported].
	Listen(ctx context.Context, notified func()) error

	// Notify tells all listening processes.
	Notify(ctx context.Context) error
}
