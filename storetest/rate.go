package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// rated makes an endpoint with a rate, and n deliveries of it that are due, each longer than the
// next. Their names are "ep1-000.ep1", "ep1-001.ep1" and so on.
func (f *fixture) rated(tenant, id string, rate float64, burst, n int) {
	f.Helper()
	e := f.newEndpoint(tenant, id)
	e.Rate, e.Burst = rate, burst
	f.create(e)
	events := make([]webhook.EventRecord, n)
	for i := range events {
		rows := f.ready(id)
		rows[0].DueAt = f.now.Add(time.Duration(i-n) * instant)
		events[i] = f.event(tenant, fmt.Sprintf("%s-%03d", id, i), rows...)
	}
	for part := range slices.Chunk(events, 100) {
		f.publish(part...)
	}
}

// expectLeases claims all due deliveries, and checks how many of an endpoint are leased.
func (f *fixture) expectLeases(tenant, id string, want int) []webhook.Leased {
	f.Helper()
	leases := f.claim()
	if got := perKey(leases)[tenant+"/"+id]; got != want {
		f.Fatalf("claimed at base+%v: got %d deliveries of %s/%s, want %d", f.now.Sub(base), got, tenant, id, want)
	}
	return leases
}

const (
	rateBounds = "the Rate and Burst of an endpoint bound its leases over all calls"
	rateCounts = "leases of retries and probes count, and so do those that are given back"
)

// rateCases check how the Rate of an endpoint bounds Claim.
var rateCases = []testCase{
	{
		"rate/burst", rateBounds + ": Burst at once, and then one more in each interval of 1/Rate seconds",
		func(f *fixture) {
			f.rated("acme", "ep1", 2, 3, 20)
			f.expectLeases("acme", "ep1", 3)
			f.advance(100 * time.Millisecond)
			f.expectLeases("acme", "ep1", 0)
			f.advance(400*time.Millisecond - instant)
			f.expectLeases("acme", "ep1", 0)
			f.advance(instant)
			f.expectLeases("acme", "ep1", 1)
			f.advance(1500 * time.Millisecond)
			f.expectLeases("acme", "ep1", 3)
			f.advance(750 * time.Millisecond)
			f.expectLeases("acme", "ep1", 1)
			f.advance(250 * time.Millisecond)
			f.expectLeases("acme", "ep1", 1)
		},
	},
	{
		"rate/order", "an endpoint that Rate holds back gets its deliveries in their order, and loses none",
		func(f *fixture) {
			f.rated("acme", "ep1", 1, 1, 5)
			for i := range 5 {
				f.expectClaim(fmt.Sprintf("ep1-%03d.ep1", i))
				f.expectClaim()
				f.advance(time.Second)
			}
			f.expectClaim()
		},
	},
	{
		"rate/pause", "after a pause an endpoint may have Burst at once, however long the pause was",
		func(f *fixture) {
			f.rated("acme", "ep1", 100, 4, 20)
			f.advance(24 * time.Hour)
			f.expectLeases("acme", "ep1", 4)
			f.advance(leaseTime - time.Second)
			f.expectLeases("acme", "ep1", 4)
		},
	},
	{
		"rate/none", "an endpoint without a Rate has no bound, whatever its Burst",
		func(f *fixture) {
			f.rated("acme", "ep1", 0, 2, 20)
			f.expectLeases("acme", "ep1", 20)
		},
	},
	{
		"rate/default", "a Burst of 0 stands for the leases of a fifth of a second, and at least 1",
		func(f *fixture) {
			f.rated("acme", "ep1", 0.5, 0, 5)
			f.rated("acme", "ep2", 50, 0, 25)
			leases := perKey(f.claim())
			if leases["acme/ep1"] != 1 || leases["acme/ep2"] != 10 {
				f.Errorf("leased %v, want 1 at a Rate of 0.5 and 10 at a Rate of 50", leases)
			}
		},
	},
	{
		"rate/bounds", "a Rate of 0.001 to 10,000 with six decimals bounds leases",
		func(f *fixture) {
			f.rated("acme", "ep1", 0.001, 1, 3)
			f.rated("acme", "ep2", 10_000, 100, 400)
			f.rated("acme", "ep3", 0.016667, 2, 3)
			for id, want := range map[string]float64{"ep1": 0.001, "ep2": 10_000, "ep3": 0.016667} {
				if e := f.get("acme", id); e.Rate != want {
					f.Errorf("%s: got a Rate of %v, want %v", id, e.Rate, want)
				}
			}
			if e := f.get("acme", "ep2"); e.Burst != 100 {
				f.Errorf("got a Burst of %d, want 100", e.Burst)
			}
			f.equal("at once", perKey(f.claim()), map[string]int{"acme/ep1": 1, "acme/ep2": 100, "acme/ep3": 2})
			f.advance(5 * time.Millisecond)
			f.equal("after 5 ms", perKey(f.claim()), map[string]int{"acme/ep2": 50})
			f.advance(1000*time.Second - 5*time.Millisecond - instant)
			if got := perKey(f.claim())["acme/ep1"]; got != 0 {
				f.Errorf("leased %d of ep1 before 1,000 seconds have passed", got)
			}
			f.advance(instant)
			if got := perKey(f.claim())["acme/ep1"]; got != 1 {
				f.Errorf("leased %d of ep1 after 1,000 seconds, want 1", got)
			}
		},
	},
	{
		"rate/room", "a lease counts for the Rate, and an allowance that a call did not use stays",
		func(f *fixture) {
			f.rated("acme", "ep1", 1, 5, 20)
			req := f.room()
			req.Room = 2
			for _, want := range []int{2, 2, 1, 0} {
				if got := len(f.leases(f.round(req))); got != want {
					f.Fatalf("leased %d, want %d", got, want)
				}
			}
		},
	},
	{
		"rate/retries", rateCounts,
		func(f *fixture) {
			f.rated("acme", "ep1", 1, 2, 2)
			l := f.expectLeases("acme", "ep1", 2)
			f.settle(f.retryIn(l[0], 0), f.giveBack(l[1], 0))
			f.expectLeases("acme", "ep1", 0)
			f.advance(time.Second)
			f.expectLeases("acme", "ep1", 1)
			f.expectLeases("acme", "ep1", 0)
		},
	},
	{
		"rate/probe", rateCounts + "; the other deliveries wait for the probe and for the Rate",
		func(f *fixture) {
			f.rated("acme", "ep1", 0.01, 1, 2)
			early := f.event("acme", "early", f.held("ep1")...)
			f.publish(early)
			opens := f.retryIn(f.own(early, "ep1"), 24*time.Hour)
			opens.BlockUntil, opens.OpenCircuit = f.now.Add(time.Minute), true
			f.settle(opens)
			f.advance(time.Minute)
			f.settle(f.success(f.probe("ep1-000.ep1")))
			f.expectClaim()
			f.advance(100*time.Second - instant)
			f.expectClaim()
			f.advance(instant)
			f.expectClaim("ep1-001.ep1")
		},
	},
	{
		"rate/probe-waits", "while the rate allows none, Claim passes over the endpoint, and takes no probe",
		func(f *fixture) {
			f.rated("acme", "ep1", 0.01, 1, 2)
			l := f.take("ep1-000.ep1")
			fails := f.retryIn(l, time.Hour)
			fails.BlockUntil, fails.OpenCircuit = f.now.Add(10*time.Second), true
			f.settle(fails)
			f.advance(99 * time.Second)
			f.expectClaim()
			if until := f.health("acme", "ep1").BlockedUntil; !until.Equal(fails.BlockUntil) {
				f.Errorf("got a block until %v, want it unchanged", until)
			}
			f.advance(time.Second)
			f.probe("ep1-001.ep1")
		},
	},
	{
		"rate/published", "leases of Publish do not count",
		func(f *fixture) {
			f.rated("acme", "ep1", 1, 2, 3)
			f.publish(f.event("acme", "e1", f.held("ep1")...), f.event("acme", "e2", f.held("ep1")...))
			f.expectLeases("acme", "ep1", 2)
		},
	},
	{
		"rate/apart", "the Rate of one endpoint bounds no other, of any tenant",
		func(f *fixture) {
			f.rated("acme", "ep1", 1, 1, 5)
			f.rated("beta", "ep1", 1, 2, 5)
			f.rated("acme", "ep2", 0, 0, 5)
			f.equal("leases", perKey(f.claim()), map[string]int{"acme/ep1": 1, "beta/ep1": 2, "acme/ep2": 5})
			f.advance(time.Second)
			f.equal("a second later", perKey(f.claim()), map[string]int{"acme/ep1": 1, "beta/ep1": 1})
		},
	},
	{
		"rate/changed", "an endpoint whose Rate or Burst UpdateEndpoint has changed may have Burst at once",
		func(f *fixture) {
			f.rated("acme", "ep1", 0.001, 1, 40)
			f.expectLeases("acme", "ep1", 1)
			f.expectLeases("acme", "ep1", 0)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Rate = 1 })
			f.expectLeases("acme", "ep1", 1)
			f.expectLeases("acme", "ep1", 0)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Burst = 6 })
			f.expectLeases("acme", "ep1", 6)
			f.advance(time.Second)
			f.expectLeases("acme", "ep1", 1)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Rate, e.Burst = 0.001, 0 })
			f.expectLeases("acme", "ep1", 1)
			f.advance(time.Minute)
			f.expectLeases("acme", "ep1", 0)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Rate = 0 })
			f.expectLeases("acme", "ep1", 30)
		},
	},
	{
		"rate/kept", "an update or a failure that changes neither Rate nor Burst gives no more leases",
		func(f *fixture) {
			f.rated("acme", "ep1", 0.1, 2, 5)
			l := f.expectLeases("acme", "ep1", 2)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Description, e.URL = "new", e.URL+"/v2" })
			f.pause("ep1")
			f.resume("ep1")
			f.settle(f.retryIn(l[0], time.Hour))
			f.expectLeases("acme", "ep1", 0)
			f.advance(10 * time.Second)
			f.expectLeases("acme", "ep1", 1)
		},
	},
	{
		"rate/clock", "after req.Now has stepped back an endpoint waits no longer than the step and Burst intervals of 1/Rate",
		func(f *fixture) {
			f.rated("acme", "ep1", 0.5, 2, 5)
			const step = time.Hour
			f.advance(step)
			f.expectLeases("acme", "ep1", 2)
			f.advance(-step)
			f.expectLeases("acme", "ep1", 0)
			f.advance(step + 2*2*time.Second)
			if got := perKey(f.claim())["acme/ep1"]; got == 0 {
				f.Errorf("leased nothing after the step and two intervals")
			}
		},
	},
	{
		"rate/many", rateBounds + ", however many endpoints are held back",
		func(f *fixture) {
			const n = 60
			var names []string
			for i := range n {
				names = append(names, fmt.Sprintf("ep%04d", i))
				f.rated("acme", names[i], 0.01, 1, 1)
			}
			f.advance(instant)
			f.send("acme", "e2", names...)
			f.advance(instant)
			f.send("acme", "e3", names...)
			if got := len(f.claim()); got != n {
				f.Fatalf("leased %d, want one of each", got)
			}
			f.expectClaim()
			f.expectClaim()
			f.equal("stats", f.stats(), webhook.Stats{Pending: 3 * n, InFlight: n, Held: 2 * n})
			f.update("acme", names[7], func(e *webhook.Endpoint) { e.Rate = 0.02 })
			f.expectClaim(of("e2", names[7])...)
			f.expectClaim()
			f.advance(50 * time.Second)
			f.expectClaim(of("e3", names[7])...)
			f.advance(50*time.Second - instant)
			f.expectClaim() // the leases of the first claim have ended, and their deliveries wait
			f.advance(instant)
			if got := len(f.claim()); got != n {
				f.Errorf("leased %d after 100 seconds, want one of each", got)
			}
			f.expectClaim()
		},
	},
	{
		"rate/together", rateBounds + ", also when several callers claim at the same time",
		func(f *fixture) {
			f.rated("acme", "ep1", 0.001, 50, 200)
			counts := make([]int, callers)
			errs := make([]error, callers)
			together(callers, func(i int) {
				for range 20 {
					req := f.room()
					req.Room = 7
					c, err := f.store.Claim(f.ctx(), req)
					counts[i] += len(c.Deliveries)
					errs[i] = err
					if err != nil {
						return
					}
				}
			})
			sum := 0
			for i := range counts {
				f.must("Claim", errs[i])
				sum += counts[i]
			}
			sum += len(f.claim()) // what the callers left to each other
			for range 10 {
				sum += len(f.claim())
			}
			if sum != 50 {
				f.Errorf("%d callers leased %d, want 50", callers, sum)
			}
		},
	},
}
