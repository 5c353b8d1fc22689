// Package pacing decides when something may happen again: a claim, a line of the log, a call of
// a tenant, or the next try of a store that fails. It knows neither events nor stores.
package pacing
