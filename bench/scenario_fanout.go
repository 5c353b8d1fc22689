package main

// fanoutPlans emit one event to very many endpoints: with everything running; and storing the deliveries alone.
func fanoutPlans(n int) []plan {
	n /= 5
	all := preparation{Layout: layout{Tenants: 1, Fanout: n}}
	return []plan{
		{peer: peerWebhook, variant: "deliver", prepared: all, load: load{Kind: loadOne}, expect: n},
		{peer: peerRiver, variant: "deliver", prepared: all, load: load{Kind: loadOne}, expect: n},
		{peer: peerWebhook, variant: "store", prepared: all, load: load{Kind: loadProbe, Probe: probeExpand}},
	}
}

// matchPlans emit to a tenant with few endpoints and to one with many, of which equally many receive the event.
func matchPlans(n int) []plan {
	emit := load{Kind: loadProbe, Probe: probeEmit}
	return []plan{
		{peer: peerWebhook, variant: "few", prepared: preparation{Match: 10}, load: emit},
		{peer: peerWebhook, variant: "many", prepared: preparation{Match: 2 * n}, load: emit},
	}
}
