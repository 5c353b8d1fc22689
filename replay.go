package webhook

import "time"

// A ReplayRequest selects deliveries that [Scope.Replay] sends again, or events that an
// endpoint has missed. Zero fields do not narrow the selection. The selection is made as
// of the call: a delivery that finishes later, or an event that is emitted later, is not
// part of it.
type ReplayRequest struct {
	// Endpoint is the id of the endpoint. Missed requires it. In the scope of a tenant it
	// may be empty, for all endpoints that are not disabled. In the scope of all tenants
	// it must be empty.
	Endpoint string

	// Event is the id of a single event. Like Endpoint, it must be empty in the scope of
	// all tenants.
	Event string

	From time.Time // of the emission, inclusive
	To   time.Time // of the emission, exclusive

	// FinishedFrom and FinishedTo select deliveries by the time when they succeeded,
	// failed or were canceled. For example, FinishedFrom: anHourAgo selects the
	// deliveries that failed in the last hour. They do not apply to Missed.
	FinishedFrom time.Time // inclusive
	FinishedTo   time.Time // exclusive

	// Types are up to 100 event types, or patterns as in Endpoint.Events. Empty means all
	// types.
	Types []string

	// States are the states of the deliveries: failed, canceled or succeeded. Defaults to
	// failed and canceled. They do not apply to Missed.
	States []DeliveryState

	// Missed selects events instead of deliveries: those that match the endpoint's
	// present subscriptions and channel, and have no delivery to it. The endpoint was
	// disabled then, or it was created or subscribed later. Test events are left out. An
	// event that was stored nowhere cannot be replayed; see Config.KeepUnmatched.
	// Operational events are left out.
	Missed bool

	// Rate is how many deliveries a second the replay makes due, 0.001 to 1,000. It
	// bounds a replay over all processes. Defaults to 10.
	Rate float64

	// DryRun counts without changing anything.
	DryRun bool
}

// A Replay is a job that makes the selected deliveries due, a part each second. It works
// wherever [Dispatcher.Run] runs on the Store, and survives the end of any process.
// [Scope.Retry] and [Scope.Cancel] leave large selections to such a job too.
type Replay struct {
	ID         string // empty after a DryRun
	Tenant     string
	AllTenants bool // of the scope of all tenants; Tenant is empty then
	Request    ReplayRequest

	// Cancels says that the job cancels pending deliveries. Scope.Cancel has made it.
	Cancels bool

	// Key identifies the request: equal requests have equal keys, up to 64 bytes. Only a
	// Store reads it.
	Key string

	// Reason says why the job was canceled: ReasonCanceled by CancelReplay,
	// ReasonDeleted, or the reason why its endpoint is disabled. It is empty while the
	// job runs, and after everything that was selected has had its turn.
	Reason Reason

	// Matched is the number of deliveries or events that were selected at the beginning.
	// If it is not Exact, there are at least as many: the count ends at 10,000, or after
	// it has read 20,000 rows.
	Matched int
	Exact   bool

	Changed int // deliveries made due, created or canceled so far
	Skipped int // deliveries passed over so far, because they were being sent

	CreatedAt  time.Time
	FinishedAt time.Time // when it was done or canceled; zero while it runs
}
