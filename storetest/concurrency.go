package storetest

import (
	"fmt"
	"sync"

	"github.com/gowebhook/webhook"
)

// together runs n calls of do at once, and returns when all are done.
func together(n int, do func(i int)) {
	var (
		wg    sync.WaitGroup
		start = make(chan struct{})
	)
	for i := range n {
		wg.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wg.Wait()
}

// claimTogether claims with several callers until each has found nothing in two rounds. It
// returns the leased deliveries, by caller.
func (f *fixture) claimTogether(callers int, req webhook.ClaimRequest) [][]webhook.Leased {
	f.Helper()
	leased, errs := make([][]webhook.Leased, callers), make([]error, callers)
	together(callers, func(i int) {
		mine, empty := req, 0
		for calls := 0; empty < 2 && calls < 1000; calls++ {
			c, err := f.store.Claim(f.ctx(), mine)
			if err != nil {
				errs[i] = err
				return
			}
			leased[i] = append(leased[i], c.Deliveries...)
			mine.Cursor = c.Next
			switch {
			case len(c.Deliveries) > 0:
				empty = 0
			case c.Next == "":
				empty++
			}
		}
	})
	for _, err := range errs {
		f.must("Claim", err)
	}
	return leased
}

// once checks that all callers together leased each delivery once. It returns how many
// deliveries there were.
func (f *fixture) once(leased [][]webhook.Leased) int {
	f.Helper()
	seen := map[string]int{}
	for i, list := range leased {
		for _, l := range list {
			name := f.name(l)
			if other, ok := seen[name]; ok {
				f.Errorf("%s was leased to caller %d and to caller %d", name, other, i)
			}
			seen[name] = i
		}
	}
	return len(seen)
}

const callers = 8

// retriers is how many callers retry one delivery at once. Each waits for the ones before it,
// and a Store may give up such a wait after a second.
const retriers = 3

// concurrencyCases check the rules for concurrent callers.
var concurrencyCases = []testCase{
	{
		"concurrent/claim", "no two callers ever hold the same number of a delivery",
		func(f *fixture) {
			for i, id := range f.endpoints("acme", 5) {
				f.backlog("acme", fmt.Sprintf("%c", 'a'+i), id, 40)
			}
			req := f.room()
			req.Max, req.Room = 7, 3
			leased := f.claimTogether(callers, req)
			leased = append(leased, f.claim()) // deliveries that were passed over because another caller held them
			if n := f.once(leased); n != 200 {
				f.Errorf("%d deliveries were leased, want 200", n)
			}
		},
	},
	{
		"concurrent/expired", "no two callers ever hold the same number of a delivery, when its lease has ended too",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.backlog("acme", "e", "ep1", 20)
			f.claim()
			f.advance(leaseTime + grace)
			req := f.room()
			req.Max = 3
			leased := append(f.claimTogether(callers, req), f.claim())
			if n := f.once(leased); n != 20 {
				f.Errorf("%d deliveries were leased, want 20", n)
			}
		},
	},
	{
		"concurrent/probe", "Claim leases one delivery of an endpoint whose circuit is open, so that no other is leased",
		func(f *fixture) {
			f.openCircuit()
			f.backlog("acme", "more", "ep1", 20)
			f.advance(leaseTime)
			leased := append(f.claimTogether(callers, f.room()), f.claim())
			if n := f.once(leased); n != 1 {
				f.Errorf("%d deliveries were leased, want 1", n)
			}
		},
	},
	{
		"concurrent/outbox", "outbox rows become deliveries once",
		func(f *fixture) {
			f.endpoints("acme", 10)
			f.publish(f.outbox("acme", "e1"), f.outbox("acme", "e2"), f.outbox("acme", "e3"))
			leased := append(f.claimTogether(callers, f.room()), f.claim())
			if n := f.once(leased); n != 30 {
				f.Errorf("%d deliveries were leased, want 30", n)
			}
			if got := f.stats(); got.Pending != 30 || got.Outbox != 0 {
				f.Errorf("got %+v, want 30 pending and none in the outbox", got)
			}
		},
	},
	{
		"concurrent/publish", "an event whose (Tenant, ID) is stored already is not stored again",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			events := make([]webhook.EventRecord, 2*callers) // the second half has other data
			for i := range events {
				events[i] = f.event("acme", "e1", f.ready("ep1")...)
				if i >= callers {
					events[i].Data = []byte("2")
				}
			}
			results := make([]webhook.Published, len(events))
			errs := make([]error, len(events))
			together(len(events), func(i int) {
				results[i], errs[i] = f.publishFree(events[i])
			})
			stored, duplicates := 0, 0
			for i, r := range results {
				f.must("Publish", errs[i])
				switch {
				case r.Err != nil:
					f.is("result", r.Err, webhook.ErrConflict)
				case r.Duplicate:
					duplicates++
				default:
					stored++
				}
			}
			if stored != 1 || duplicates != callers-1 {
				f.Errorf("%d were stored and %d are duplicates; want 1 and %d", stored, duplicates, callers-1)
			}
			f.expectClaim("e1.ep1")
		},
	},
	{
		"concurrent/create", "CreateEndpoint returns ErrConflict if the tenant has one with the same id: one caller wins",
		func(f *fixture) {
			f.oneWins("CreateEndpoint", webhook.ErrConflict, func(int) error {
				return f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", "ep1"), 0)
			})
		},
	},
	{
		"concurrent/update", "UpdateEndpoint replaces an endpoint whose Version is still e.Version: one caller wins",
		func(f *fixture) {
			e := f.endpoint("acme", "ep1")
			f.oneWins("UpdateEndpoint", webhook.ErrConflict, func(i int) error {
				mine := e
				mine.Description = fmt.Sprint(i)
				_, err := f.store.UpdateEndpoint(f.ctx(), mine)
				return err
			})
			if got, want := f.get("acme", "ep1").Version, nextVersion(e.Version, e.UpdatedAt); got != want {
				f.Errorf("got version %d, want %d", got, want)
			}
		},
	},
	{
		"concurrent/delete", "DeleteEndpoint returns ErrNotFound if there is none: one caller wins",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.oneWins("DeleteEndpoint", webhook.ErrNotFound, func(int) error {
				return f.store.DeleteEndpoint(f.ctx(), key("acme", "ep1"), 0, f.now)
			})
		},
	},
	{
		"concurrent/retry", "Retry takes that delivery in any state, also when another caller has just done it",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			for i := range 5 {
				event := fmt.Sprintf("e%d", i)
				f.send("acme", event, "ep1")
				f.settle(f.at(f.take(event+".ep1"), 0, ""))
				errs := make([]error, retriers)
				together(retriers, func(i int) {
					_, errs[i] = f.store.Retry(f.ctx(), webhook.Query{Tenant: "acme", EventID: event, EndpointID: "ep1"}, f.now)
				})
				for _, err := range errs {
					f.must("Retry", err)
				}
				f.settle(f.at(f.take(event+".ep1"), 0, ""))
			}
		},
	},
	{
		"concurrent/settle", "an item takes effect only if the lease has not been settled: one caller's does",
		func(f *fixture) {
			l := f.leaseSome("ep1", 2)
			results := make([]webhook.Settled, callers)
			errs := make([]error, callers)
			together(callers, func(i int) {
				order := []webhook.Settlement{f.at(l[i%2], 0, failed), f.at(l[1-i%2], 0, failed)}
				results[i], errs[i] = f.settleAll(order...)
			})
			already := 0
			for i, r := range results {
				f.must("Settle", errs[i])
				already += len(r.Already)
				f.equal("lost", r.Lost, []int{})
			}
			if want := 2*callers - 2; already != want {
				f.Errorf("%d items were settled already, want %d", already, want)
			}
			if h := f.health("acme", "ep1"); h.Failures != 2 {
				f.Errorf("two failures, settled many times, count as %d", h.Failures)
			}
		},
	},
	{
		"concurrent/health", "attempts are merged into Health: none is lost",
		func(f *fixture) {
			l := f.leaseSome("ep1", 5*callers)
			errs := make([]error, len(l))
			together(callers, func(i int) {
				for j := i; j < len(l); j += callers {
					_, errs[j] = f.settleAll(f.at(l[j], 0, failed))
				}
			})
			for _, err := range errs {
				f.must("Settle", err)
			}
			if h := f.health("acme", "ep1"); h.Failures != len(l) {
				f.Errorf("%d failures count as %d", len(l), h.Failures)
			}
		},
	},
}

// oneWins checks that exactly one of several concurrent calls succeeds, and that every other
// call returns the error others.
func (f *fixture) oneWins(what string, others error, call func(i int) error) {
	f.Helper()
	errs := make([]error, callers)
	together(callers, func(i int) { errs[i] = call(i) })
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		f.is(what, err, others)
	}
	if won != 1 {
		f.Errorf("%s: %d of %d concurrent calls succeeded, want 1", what, won, callers)
	}
}
