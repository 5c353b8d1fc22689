// Package contract has the numbers of the contract of webhook.Store. The Dispatcher and the
// stores share them.
package contract

import "time"

// LeaseGrace is how long after its end a lease still belongs to its owner, who can settle it.
// Nobody else takes the delivery before.
const LeaseGrace = 5 * time.Second

// Limits of a page.
const (
	PageRows     = 100     // the default of Query.Limit
	MaxPageRows  = 1000    // of Query.Limit
	MaxPageRead  = 1000    // rows that are read for one page
	MaxPageBytes = 4 << 20 // of Query.MaxBytes, also its default
)

// MaxBacklog is how many deliveries Backlog counts.
const MaxBacklog = 10_000

// Default ages of Retention.
const (
	BodyAge    = 7 * 24 * time.Hour
	AttemptAge = 30 * 24 * time.Hour
	EventAge   = 30 * 24 * time.Hour
)
