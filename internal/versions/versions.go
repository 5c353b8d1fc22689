// Package versions numbers the versions of endpoints, as the contract of webhook.Store says.
package versions

// Next returns the version after old at a time in microseconds: old + 1, or the time if that is
// higher. A failover may lose a version, and an endpoint may be deleted and created again with
// the same id. The time keeps such a number from being given to something else.
func Next(old, micros int64) int64 { return max(old+1, micros) }
