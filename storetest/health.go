package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// at returns a settlement with an attempt that was made d after base. It is a success if class
// is empty, and otherwise a retry in a day.
func (f *fixture) at(l webhook.Leased, d time.Duration, class webhook.Class) webhook.Settlement {
	s := f.item(l, webhook.DeliverySucceeded, f.attempt(l, class))
	s.Attempt.StartedAt = base.Add(d)
	if class != "" {
		s.State, s.DueAt, s.Failures = webhook.DeliveryPending, base.Add(24*time.Hour), 1
	}
	return s
}

// leaseSome creates an endpoint and leases n of its deliveries.
func (f *fixture) leaseSome(id string, n int) []webhook.Leased {
	f.Helper()
	f.endpoint("acme", id)
	f.backlog("acme", id+"-", id, n)
	leases := f.claim()
	if len(leases) != n {
		f.Fatalf("leased %d deliveries, want %d", len(leases), n)
	}
	return leases
}

const failed = webhook.ClassStatus

// healthCases check how Settle merges attempts into the Health of their endpoint.
var healthCases = []testCase{
	{
		"health/failures", "a failure adds to Failures and moves FailingSince, LastFailureAt",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			f.advance(time.Minute)
			f.settle(f.at(l[0], 10*time.Second, failed))
			f.equal("after one", f.health("acme", "ep1"), webhook.Health{
				Failures: 1, FailingSince: base.Add(10 * time.Second), LastFailureAt: base.Add(10 * time.Second),
			})
			f.settle(f.at(l[1], 20*time.Second, webhook.ClassTimeout), f.at(l[2], 30*time.Second, webhook.ClassDNS))
			f.equal("after three", f.health("acme", "ep1"), webhook.Health{
				Failures: 3, FailingSince: base.Add(10 * time.Second), LastFailureAt: base.Add(30 * time.Second),
			})
		},
	},
	{
		"health/recovered", "a success clears Failures and FailingSince",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			f.settle(f.at(l[0], time.Second, failed), f.at(l[1], 2*time.Second, failed))
			f.settle(f.at(l[2], 3*time.Second, ""))
			f.equal("health", f.health("acme", "ep1"), webhook.Health{
				LastFailureAt: base.Add(2 * time.Second), RecoveredAt: base.Add(3 * time.Second),
			})
		},
	},
	{
		"health/healthy", "a success of an endpoint that is not failing writes nothing",
		func(f *fixture) {
			l := f.leaseSome("ep1", 4)
			want := f.get("acme", "ep1")
			f.settle(f.at(l[0], time.Second, ""))
			f.equal("after a first success", f.get("acme", "ep1"), want)
			f.settle(f.at(l[1], 2*time.Second, failed))
			f.settle(f.at(l[2], 3*time.Second, ""))
			want = f.get("acme", "ep1")
			f.settle(f.at(l[3], 4*time.Second, ""))
			f.equal("after a success that follows another", f.get("acme", "ep1"), want)
		},
	},
	{
		"health/any-order", "attempts are merged into Health in any order with the same result",
		func(f *fixture) {
			want := webhook.Health{
				Failures: 2, FailingSince: base.Add(30 * time.Second), LastFailureAt: base.Add(40 * time.Second),
				RecoveredAt: base.Add(20 * time.Second),
			}
			for n, order := range permutations(4) {
				id := fmt.Sprintf("ep%d", n)
				l := f.leaseSome(id, 4)
				all := []webhook.Settlement{
					f.at(l[0], 10*time.Second, failed), f.at(l[1], 20*time.Second, ""),
					f.at(l[2], 30*time.Second, failed), f.at(l[3], 40*time.Second, failed),
				}
				f.settle(all[order[0]], all[order[1]], all[order[2]], all[order[3]])
				f.equal(fmt.Sprintf("health after the order %v", order), f.health("acme", id), want)
			}
		},
	},
	{
		"health/any-order-of-calls", "attempts are merged into Health in any order with the same result",
		func(f *fixture) {
			want := webhook.Health{
				Failures: 3, FailingSince: base.Add(10 * time.Second), LastFailureAt: base.Add(30 * time.Second),
			}
			for n, order := range permutations(3) {
				id := fmt.Sprintf("ep%d", n)
				l := f.leaseSome(id, 3)
				for _, i := range order {
					f.settle(f.at(l[i], time.Duration(i+1)*10*time.Second, failed))
				}
				f.equal(fmt.Sprintf("health after the order %v", order), f.health("acme", id), want)
			}
		},
	},
	{
		"health/old-failure", "attempts are merged into Health in any order with the same result: a failure before the last " +
			"success does not make an endpoint failing",
		func(f *fixture) {
			for n, order := range permutations(3) {
				id := fmt.Sprintf("ep%d", n)
				l := f.leaseSome(id, 3)
				all := []webhook.Settlement{
					f.at(l[0], 10*time.Second, failed), f.at(l[1], 20*time.Second, failed), f.at(l[2], 30*time.Second, ""),
				}
				if order[0] == 2 {
					continue // a success writes nothing if the endpoint is not failing
				}
				for _, i := range order {
					f.settle(all[i])
				}
				f.equal(fmt.Sprintf("health after the order %v", order), f.health("acme", id), webhook.Health{
					LastFailureAt: base.Add(20 * time.Second), RecoveredAt: base.Add(30 * time.Second),
				})
			}
		},
	},
	{
		"health/old-success", "attempts are merged into Health in any order with the same result: a success before the first " +
			"failure does not end a failure that began later",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			opens := f.at(l[0], 10*time.Second, failed)
			opens.OpenCircuit, opens.BlockUntil = true, base.Add(time.Hour)
			f.settle(opens)
			want := f.health("acme", "ep1")
			f.settle(f.at(l[1], 5*time.Second, ""))
			f.equal("health", f.health("acme", "ep1"), want)
		},
	},
	{
		"health/tests", "each attempt that is not a Test is merged into its endpoint's Health",
		func(f *fixture) {
			l := f.leaseSome("ep1", 3)
			test := f.at(l[0], time.Second, failed)
			test.Attempt.Test = true
			f.settle(test)
			f.equal("after a failed test", f.health("acme", "ep1"), webhook.Health{})
			f.settle(f.at(l[1], 2*time.Second, failed))
			want := f.health("acme", "ep1")
			test = f.at(l[2], 3*time.Second, "")
			test.Attempt.Test = true
			f.settle(test)
			f.equal("after a successful test", f.health("acme", "ep1"), want)
		},
	},
	{
		"health/late", "each attempt is merged into its endpoint's Health, Late ones too",
		func(f *fixture) {
			l := f.leaseSome("ep1", 1)
			f.advance(leaseTime + grace)
			f.claim()
			f.lose(f.at(l[0], time.Second, failed))
			f.equal("health", f.health("acme", "ep1"), webhook.Health{
				Failures: 1, FailingSince: base.Add(time.Second), LastFailureAt: base.Add(time.Second),
			})
		},
	},
	{
		"health/once", "attempts are stored, and merged into Health, once for each lease number",
		func(f *fixture) {
			l := f.leaseSome("ep1", 2)
			first, second := f.at(l[0], time.Second, failed), f.at(l[1], time.Second, failed)
			f.trySettle(first, first)
			f.trySettle(first)
			f.advance(leaseTime + grace)
			f.claim()
			for range 3 {
				f.trySettle(second)
			}
			if h := f.health("acme", "ep1"); h.Failures != 2 {
				f.Errorf("two failures, settled many times, count as %d", h.Failures)
			}
		},
	},
	{
		"health/each-endpoint", "an attempt is merged into its endpoint's Health",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.endpoint("umbrella", "ep0000")
			f.send("acme", "e1", "ep0000", "ep0001")
			f.settle(f.retryIn(f.expectClaim("e1.ep0000", "e1.ep0001")[0], time.Hour))
			if h := f.health("acme", "ep0000"); h.Failures != 1 {
				f.Errorf("the endpoint that failed: got %+v", h)
			}
			f.equal("another endpoint", f.health("acme", "ep0001"), webhook.Health{})
			f.equal("another tenant's", f.health("umbrella", "ep0000"), webhook.Health{})
		},
	},
}

// permutations returns all orders of 0 to n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			q := append(append(append([]int{}, p[:i]...), n-1), p[i:]...)
			out = append(out, q)
		}
	}
	return out
}
