package main

import (
	"slices"
	"strings"
)

// A scenario compares peers in one situation. In each round its variants take turns.
type scenario struct {
	name string

	// warm runs every variant once with a small size that does not count. Senders that find a
	// backlog need it, because they cannot deliver anything before they are measured.
	warm bool

	variants func(n int) []variant
}

// selected returns the variants that -run and -peers name.
func (s *scenario) selected(names, peers []string, n int) []variant {
	return slices.DeleteFunc(s.variants(n), func(v variant) bool {
		named := func(name string) bool {
			scenario, one, isVariant := strings.Cut(name, "/")
			return scenario == s.name && (!isVariant || one == v.name)
		}
		return !slices.Contains(peers, v.peer) || !slices.ContainsFunc(names, named)
	})
}

func scenarioNames() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.name
	}
	return names
}

const (
	callers     = 32 // as many requests as an application serves at once
	manyCallers = 256
)

// Endpoints of the scenarios.
var (
	few   = targets{Tenants: 8, Endpoints: 1}
	fifty = targets{Tenants: 50, Endpoints: 1}
	tens  = targets{Tenants: 5, Endpoints: 10}
	ten   = targets{Tenants: 1, Endpoints: 10}
	hosts = targets{Tenants: 1000, Endpoints: 1, TLS: true}
)

var scenarios = []scenario{
	{name: "memory", variants: func(n int) []variant {
		v := variant{dataset: dataset{Targets: few}, load: load{Callers: callers, Events: n}, expect: n}
		return []variant{v.of(peerLoop, "", ""), v.of(peerWebhook, "", storeMemory)}
	}},
	{name: "drain", warm: true, variants: func(n int) []variant {
		v := variant{dataset: dataset{Targets: fifty, Preload: n}, expect: n}
		loop := variant{dataset: dataset{Targets: fifty}, load: load{Callers: callers, Events: n}, expect: n}
		return []variant{
			v.of(peerWebhook, "", storePostgres), v.of(peerRiver, "", storePostgres), loop.of(peerLoop, "", ""),
			v.of(peerWebhook, "mariadb", storeMariaDB), v.of(peerWebhook, "sqlite", storeSQLite),
		}
	}},
	{name: "processes", warm: true, variants: func(n int) []variant {
		v := variant{dataset: dataset{Targets: fifty, Preload: n}, expect: n}
		one, four := v.of(peerWebhook, "1", storePostgres), v.of(peerWebhook, "4", storePostgres)
		four.processes = 4
		return []variant{one, four}
	}},
	{name: "steady", variants: func(n int) []variant {
		n = n * 2 / 5
		v := variant{dataset: dataset{Targets: fifty}, load: load{Callers: callers, Events: n}, expect: n}
		v10 := variant{dataset: dataset{Targets: tens}, load: load{Callers: callers, Events: n / 10}, expect: n / 10 * 10}
		return []variant{
			v.of(peerWebhook, "fanout1", storePostgres), v.of(peerRiver, "fanout1", storePostgres),
			v10.of(peerWebhook, "fanout10", storePostgres), v10.of(peerRiver, "fanout10", storePostgres),
			v.of(peerWebhook, "mariadb", storeMariaDB), v.of(peerWebhook, "sqlite", storeSQLite),
		}
	}},
	{name: "callers", variants: func(n int) []variant {
		n = n * 2 / 5
		v := variant{dataset: dataset{Targets: fifty}, load: load{Callers: manyCallers, Events: n}, expect: n}
		return []variant{v.of(peerWebhook, "", storePostgres), v.of(peerRiver, "", storePostgres)}
	}},
	{name: "latency", variants: func(n int) []variant {
		const rate = 200
		events := rate * seconds(n, 2000)
		v := variant{dataset: dataset{Targets: fifty}, load: load{Rate: rate, Events: events}, expect: events}
		return []variant{v.of(peerWebhook, "", storePostgres), v.of(peerRiver, "", storePostgres)}
	}},
	{name: "noisy", variants: noisyVariants},
	{name: "tls", variants: func(n int) []variant {
		n = n * 2 / 5
		open := variant{dataset: dataset{Targets: hosts}, load: load{Callers: callers, Events: n}, expect: n}
		closing := open
		closing.closes = true
		return []variant{
			open.of(peerLoop, "reused", ""), open.of(peerWebhook, "reused", storeMemory),
			closing.of(peerLoop, "closed", ""), closing.of(peerWebhook, "closed", storeMemory),
		}
	}},
}

// noisyVariants send to ten endpoints. In two of the variants the last endpoint hangs. River has
// no backlog: it works its queue in order, and the other endpoints would wait for all of it.
func noisyVariants(n int) []variant {
	const rate = 20
	events := rate * seconds(n, 2000)
	quiet := variant{dataset: dataset{Targets: ten}, load: load{Rate: rate, Events: events}, expect: events * ten.Endpoints}
	hangs := quiet
	hangs.dataset.Targets.Hangs = true
	hangs.expect -= events
	backlog := hangs
	backlog.dataset.Backlog = n
	return []variant{
		quiet.of(peerWebhook, "quiet", storePostgres), quiet.of(peerRiver, "quiet", storePostgres),
		hangs.of(peerWebhook, "hangs", storePostgres), hangs.of(peerRiver, "hangs", storePostgres),
		backlog.of(peerWebhook, "backlog", storePostgres),
	}
}

// seconds returns the duration of a scenario with a rate: ten, or less if n is small.
func seconds(n, perSecond int) int { return min(max(n/perSecond, 1), 10) }
