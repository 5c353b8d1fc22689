package main

import "strconv"

// memoryPlans compare with the bare loop when neither has a database.
func memoryPlans(n int) []plan {
	return []plan{
		{peer: peerRaw, load: load{Kind: loadClosed, Senders: senders, Events: n}, prepared: preparation{Layout: few}, expect: n},
		{peer: peerWebhook, store: storeMemory, load: load{Kind: loadClosed, Senders: senders, Events: n}, prepared: preparation{Layout: few}, expect: n},
	}
}

var few = layout{Tenants: 8, Fanout: 1}

// drainPlans work off what was stored before.
func drainPlans(n int) []plan {
	preloaded := preparation{Layout: spread, Preload: n}
	return []plan{
		{peer: peerWebhook, prepared: preloaded, expect: n, preloaded: true},
		{peer: peerRiver, prepared: preloaded, expect: n, preloaded: true},
		{peer: peerRaw, load: load{Kind: loadClosed, Senders: senders, Events: n}, prepared: preparation{Layout: spread}, expect: n, preloaded: true},
		{peer: peerWebhook, variant: "sqlite", store: storeSQLite, prepared: preloaded, expect: n, preloaded: true},
	}
}

// steadyPlans emit one by one and deliver at the same time.
func steadyPlans(n int) []plan {
	n = n * 2 / 5
	one := preparation{Layout: spread}
	ten := preparation{Layout: layout{Tenants: spread.Tenants / 10, Fanout: 10}}
	emitOne := load{Kind: loadClosed, Senders: senders, Events: n}
	emitTen := load{Kind: loadClosed, Senders: senders, Events: n / 10}
	return []plan{
		{peer: peerWebhook, variant: "fanout1", prepared: one, load: emitOne, expect: n},
		{peer: peerRiver, variant: "fanout1", prepared: one, load: emitOne, expect: n},
		{peer: peerWebhook, variant: "sqlite", store: storeSQLite, prepared: one, load: emitOne, expect: n},
		{peer: peerWebhook, variant: "fanout10", prepared: ten, load: emitTen, expect: n / 10 * 10},
		{peer: peerRiver, variant: "fanout10", prepared: ten, load: emitTen, expect: n / 10 * 10},
	}
}

// latencyPlans emit far less than there is capacity for.
func latencyPlans(n int) []plan {
	const rate = 200
	events := rate * seconds(n, 2000, 10)
	one, emit := preparation{Layout: spread}, load{Kind: loadOpen, Rate: rate, Events: events}
	return []plan{
		{peer: peerWebhook, prepared: one, load: emit, expect: events},
		{peer: peerRiver, prepared: one, load: emit, expect: events},
	}
}

// processesPlans let several processes share the work.
func processesPlans(n int) []plan {
	var plans []plan
	for _, processes := range []int{1, 2, 4} {
		plans = append(plans, plan{
			peer: peerWebhook, variant: strconv.Itoa(processes), processes: processes,
			prepared: preparation{Layout: spread, Preload: n}, expect: n, preloaded: true,
		})
	}
	return plans
}
