// Package storetest checks that a [webhook.Store] keeps its contract.
//
// A store's own test is one call:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) webhook.Store { return mystore.New(…) })
//	}
//
// Each case checks one rule, a sentence of the comments of [webhook.Store] and
// [webhook.Publisher]. If it fails, it prints the rule. The cases pass every time as an
// argument. They never sleep and read no clock, so they run as fast as the store.
//
// [RunTx] has the cases for a store that takes part in transactions of the application.
//
// The suite does not check speed, for example that a claim takes no longer behind a large
// backlog.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/gowebhook/webhook"
)

// Run runs the suite, one subtest for each case. It calls newStore once for each case, with the
// subtest's t. newStore returns an empty store, and registers its clean-up with t.Cleanup.
func Run(t *testing.T, newStore func(t *testing.T) webhook.Store) {
	t.Helper()
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) { c.check(t, newStore(t)) })
	}
}

// A testCase checks one rule of the contract.
type testCase struct {
	name string // area/name, unique
	rule string // a sentence of the contract; printed on failure
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
		claimCases, roundCases, circuitCases, rateCases, heldCases, outboxCases,
		settleCases, attemptCases, healthCases, endpointEffectCases, statusCases, noticeCases,
		retryCases, cancelCases, recoverCases,
		replaySelectCases, replayStepCases, replayJobCases,
		eventListCases, deliveryListCases, lastCases, attemptListCases, failedListCases, pageCases, bodyCases,
		statsCases, backlogCases, pruneCases, retentionCases, eraseCases,
		tenantCases, contextCases, concurrencyCases,
	)
}

// tb has the methods of [testing.TB] that cases need. The suite's own test passes another
// implementation, to see cases fail.
type tb interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
}

// ruled adds the broken rule to each failure.
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
