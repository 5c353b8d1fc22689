// Package versions numbers the versions of endpoints, as the contract of webhook.Store says.
package versions

// Next returns the version after old at a time in microseconds: one higher, or the time if that is more. So a number that a
// failover lost, or that belonged to a deleted endpoint of the same id, is not given again to something else.
func Next(old, micros int64) int64 { return max(old+1, micros) }
