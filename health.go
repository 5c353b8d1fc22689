package webhook

import "time"

// Health sums up the attempts of an endpoint over all processes. Only failures and recoveries
// are recorded, so an endpoint that has never failed has the zero Health.
type Health struct {
	// Status is the endpoint's place on the way from healthy to disabled. Config.Health has the
	// rules. It is empty while the endpoint is healthy.
	Status HealthStatus
	Since  time.Time // when Status began; zero for an endpoint that was never failing

	Failures      int       // failed attempts since the last success
	FailingSince  time.Time // the first of those; zero when not failing
	LastFailureAt time.Time
	LastClass     Class     // of the latest failed attempt, for operators
	LastStatus    int       // HTTP status code of the latest failed attempt; 0 without a response
	RecoveredAt   time.Time // when a success ended the last run of failures; the latest success is in the log

	// BlockedUntil holds back all deliveries. The receiver answered with Retry-After or 429, or
	// a circuit is open.
	BlockedUntil time.Time

	// Circuit says that a circuit is open until BlockedUntil. Then a single delivery, over all
	// processes, probes the endpoint. The others follow when an attempt has succeeded.
	Circuit bool

	Holds     int // how often in a row the circuit was opened since the last success
	Throttles int // how often in a row the receiver answered 429
}

// A HealthStatus is an endpoint's place on the way from healthy to disabled.
type HealthStatus string

// Statuses of an endpoint that keeps failing. A healthy endpoint has the empty status.
const (
	HealthFailing   HealthStatus = "failing"        // nothing has succeeded for a while
	HealthDisabling HealthStatus = "disabling_soon" // it will be disabled unless an attempt succeeds
)
