// Package storetest checks that a [webhook.Store] keeps its contract.
//
// A store's own test is one call:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) webhook.Store { return mystore.New(…) })
//	}
//
// Each case checks one rule, a sentence of the comments of [webhook.Store] and [webhook.Publisher], and prints it when it
// fails. The cases pass every time as an argument: they never sleep and read no clock, so that they run as fast as the
// store does.
//
// [RunTx] has the cases for a store that takes part in transactions of the application.
//
// What only a stopwatch could tell, such as that a claim takes no longer behind a large backlog, is not checked here.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/gowebhook/webhook"
)

// Run runs the suite, one subtest for each case. newStore returns an empty store; it is called once for each case, with
// the subtest's t, and leaves the cleaning up to t.Cleanup.
func Run(t *testing.T, newStore func(t *testing.T) webhook.Store) {
	t.Helper()
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) { c.check(t, newStore(t)) })
	}
}

// A testCase checks one rule of the contract.
type testCase struct {
	name string // area/what, unique
	rule string // what the contract says; printed on failure
	run  func(f *fixture)
}

// check runs the case against an empty store.
func (c testCase) check(t tb, store webhook.Store) {
	t.Helper()
	c.run(newFixture(ruled{t, c.rule}, store))
}

func allCases() []testCase {
	return slices.Concat(
		publishCases, rowCases, matchCases,
		endpointCases, updateCases,
		claimCases, roundCases, circuitCases, heldCases, outboxCases,
		settleCases, attemptCases, healthCases, endpointEffectCases,
		retryCases, cancelCases, recoverCases,
		eventListCases, deliveryListCases, attemptListCases, pageCases, bodyCases,
		statsCases, pruneCases, retentionCases, eraseCases,
		tenantCases, contextCases, concurrencyCases,
	)
}

// tb is what a case needs of a [testing.TB]. The suite's own test gives it another one, to see cases fail.
type tb interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
}

// ruled adds to each failure the rule that was broken.
type ruled struct {
	tb
	rule string
}

func (r ruled) Errorf(format string, args ...any) {
	r.Helper()
	r.tb.Errorf("%s\n    the contract: %s", fmt.Sprintf(format, args...), r.rule)
}

func (r ruled) Fatalf(format string, args ...any) {
	r.Helper()
	r.tb.Fatalf("%s\n    the contract: %s", fmt.Sprintf(format, args...), r.rule)
}
