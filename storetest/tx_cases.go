package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// txPatience bounds a call that waits for a transaction that never ends.
const txPatience = 30 * time.Second

// A bounded is a tb with a context that ends.
type bounded struct {
	tb
	ctx context.Context
}

func (b bounded) Context() context.Context { return b.ctx }

// inTx returns the run of a case that begins a transaction. The transaction is rolled back if
// the case does not end it.
func inTx(run func(f *fixture, tx Tx)) func(f *fixture) {
	return func(f *fixture) {
		ctx, cancel := context.WithTimeout(f.Context(), txPatience)
		defer cancel()
		f.tb = bounded{f.tb, ctx}
		store, ok := f.store.(TxStore)
		if !ok {
			f.Fatalf("the store is no TxStore")
		}
		tx, err := store.Begin(ctx)
		f.must("Begin", err)
		defer func() { _ = tx.Rollback() }()
		run(f, tx)
	}
}

// emitIn publishes events in a transaction, as EmitTx does.
func (f *fixture) emitIn(tx Tx, events ...webhook.EventRecord) []webhook.Published {
	f.Helper()
	req := f.request(events...)
	req.Atomic = true
	results, err := tx.Publish(f.ctx(), req)
	f.must("Publish in the transaction", err)
	if len(results) != len(events) {
		f.Fatalf("Publish in the transaction returned %d results, want %d", len(results), len(events))
	}
	return results
}

// isHeld checks the result of an event with a held id.
func (f *fixture) isHeld(what string, got webhook.Published) {
	f.Helper()
	if !got.Held || got.Err == nil || errors.Is(got.Err, webhook.ErrConflict) || got.Duplicate || got.Deliveries != 0 {
		f.Errorf("%s: got %+v, want Held and an Err of its own", what, got)
	}
}

// newID makes an event with an id that the library made.
func (f *fixture) newID(tenant string, endpoints ...string) webhook.EventRecord {
	e := f.event(tenant, "", f.ready(endpoints...)...)
	e.ID, e.NewID = e.UID.String(), true
	f.sent[e.UID] = e
	return e
}

// txCases check the effects of transactions of the application, on their own events and on
// others.
var txCases = []testCase{
	{
		"tx/commit", "with EmitTx events exist if and only if the caller's transaction commits",
		inTx(func(f *fixture, tx Tx) {
			f.endpoint("acme", "ep1")
			f.emitIn(tx, f.outbox("acme", "e1"), f.outbox("acme", "e2"))
			f.names("events before the commit", eventIDs(f.events(webhook.Query{Tenant: "acme"})))
			f.expectClaim()
			f.must("Commit", tx.Commit())
			f.expectClaim("e1.ep1", "e2.ep1")
		}),
	},
	{
		"tx/rollback", "with EmitTx events exist if and only if the caller's transaction commits",
		inTx(func(f *fixture, tx Tx) {
			f.endpoint("acme", "ep1")
			f.emitIn(tx, f.outbox("acme", "e1"))
			f.must("Rollback", tx.Rollback())
			f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})))
			f.expectClaim()
			f.send("acme", "e1", "ep1") // the id is free
		}),
	},
	{
		"tx/held", "an unfinished transaction elsewhere may hold an id: the event is not stored, its result is Held, and its Err says " +
			"the reason; the other events are stored as if it were not there",
		inTx(func(f *fixture, tx Tx) {
			f.endpoint("acme", "ep1")
			f.endpoint("umbrella", "ep1")
			f.emitIn(tx, f.outbox("acme", "e2"))
			alone := f.tryPublish(f.event("acme", "e2", f.ready("ep1")...))
			f.isHeld("alone", alone[0])
			got := f.tryPublish(
				f.event("acme", "e1", f.ready("ep1")...), f.event("acme", "e2", f.ready("ep1")...),
				f.event("acme", "e3", f.ready("ep1")...), f.newID("acme", "ep1"), f.event("umbrella", "e2", f.ready("ep1")...),
			)
			f.isHeld("among others", got[1])
			got[1] = webhook.Published{}
			f.equal("results", got, []webhook.Published{{Deliveries: 1}, {}, {Deliveries: 1}, {Deliveries: 1}, {Deliveries: 1}})
			f.names("deliveries of the other tenant", endpointsOf(f.deliveries(webhook.Query{Tenant: "umbrella", EventID: "e2"})), "ep1")
			f.must("Rollback", tx.Rollback())
			f.send("acme", "e2", "ep1")
		}),
	},
	{
		"tx/held-stored", "an event whose (Tenant, ID) is stored already is not stored again, also when a transaction that held the id has committed",
		inTx(func(f *fixture, tx Tx) {
			f.endpoint("acme", "ep1")
			f.emitIn(tx, f.outbox("acme", "e1"))
			f.isHeld("before the commit", f.tryPublish(f.event("acme", "e1", f.ready("ep1")...))[0])
			f.must("Commit", tx.Commit())
			f.equal("the same", f.tryPublish(f.event("acme", "e1", f.ready("ep1")...)), []webhook.Published{{Duplicate: true}})
			other := f.event("acme", "e1", f.ready("ep1")...)
			other.Data = []byte("2")
			f.is("other content", f.tryPublish(other)[0].Err, webhook.ErrConflict)
			f.expectClaim("e1.ep1")
		}),
	},
	{
		"tx/atomic", "when the request is Atomic nothing is stored when an id is held; at least one such event is Held, and no id of the " +
			"request is held by it",
		inTx(func(f *fixture, tx Tx) {
			f.endpoint("acme", "ep1")
			f.emitIn(tx, f.outbox("acme", "e2"))
			made := f.newID("acme", "ep1")
			events := []webhook.EventRecord{
				made, f.event("acme", "e1", f.ready("ep1")...), f.event("acme", "e2", f.ready("ep1")...), f.event("acme", "e3", f.ready("ep1")...),
			}
			req := f.request(events...)
			req.Atomic = true
			got, err := f.store.Publish(f.ctx(), req)
			f.must("Publish", err)
			if len(got) != len(events) {
				f.Fatalf("got %d results, want %d", len(got), len(events))
			}
			f.isHeld("result", got[2])
			f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})))
			f.publish(events[1], events[3], made)
			f.expectClaim("e1.ep1", "e3.ep1", made.ID+".ep1")
		}),
	},
	{
		"tx/atomic-new", "an event with NewID may be Held when a transaction has the id of a UUIDv7 with a later time: when the request is " +
			"Atomic nothing is stored then",
		inTx(func(f *fixture, tx Tx) {
			f.endpoint("acme", "ep1")
			first, second := f.newID("acme", "ep1"), f.newID("acme", "ep1")
			f.advance(time.Second)
			later := f.newID("acme")
			f.publish(later)
			again := f.outbox("acme", later.ID)
			again.Data = later.Data
			f.equal("in the transaction", f.emitIn(tx, again), []webhook.Published{{Duplicate: true}})
			req := f.request(first, second)
			req.Atomic = true
			got, err := f.store.Publish(f.ctx(), req)
			f.must("Publish", err)
			if slices.ContainsFunc(got, func(p webhook.Published) bool { return p.Held }) {
				f.names("events", eventIDs(f.events(webhook.Query{Tenant: "acme"})), later.ID)
				f.must("Rollback", tx.Rollback())
				f.publish(first, second)
			}
			f.expectClaim(first.ID+".ep1", second.ID+".ep1")
		}),
	},
	{
		"tx/again", "an event with NewID is Held only if a transaction has the id of a UUIDv7 with a later time",
		inTx(func(f *fixture, tx Tx) {
			for _, tenant := range []string{"acme", "beta", "umbrella"} {
				f.endpoint(tenant, "ep1")
				f.send(tenant, "e1", "ep1")
				f.publish(f.newID(tenant))
			}
			f.equal("in the transaction", f.emitIn(tx, f.outbox("beta", "e1"), f.outbox("beta", "e0")), []webhook.Published{{Duplicate: true}, {}})
			for _, tenant := range []string{"acme", "beta", "umbrella"} {
				f.publish(f.newID(tenant, "ep1"), f.newID(tenant, "ep1"))
			}
		}),
	},
}
