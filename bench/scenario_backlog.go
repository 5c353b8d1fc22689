package main

// Variants of backlog.
const (
	backlogNone    = "none"
	backlogSmall   = "small"
	backlogLarge   = "large"
	backlogRefuses = "refuses" // large; connections are refused at once, where the others hang
	backlogFuture  = "future"
)

// backlogPlans work beside an endpoint that is dead, with many deliveries due. River is not among them: it works its queue in
// order, so that the others would wait for all of those.
func backlogPlans(n int) []plan {
	const rate = 200
	small, large := n/5, 20*n
	work := func(variant string, backlog int) plan {
		events := rate * seconds(n, 6250, 8)
		return plan{
			peer: peerWebhook, variant: variant, hang: roundTimeout, // longer than any request may take
			refuse:   variant == backlogRefuses,
			prepared: preparation{Layout: layout{Tenants: 10, Fanout: 1, Dead: true}, Backlog: backlog},
			load:     load{Kind: loadOpen, Rate: rate, Events: events}, expect: events,
			figures: func(*measured) map[string]float64 { return map[string]float64{"backlog": float64(backlog)} },
		}
	}
	return []plan{
		work(backlogNone, 0),
		work(backlogSmall, small),
		work(backlogLarge, large),
		work(backlogRefuses, large),
		{
			peer: peerWebhook, variant: backlogFuture, load: load{Kind: loadProbe, Probe: probeClaim},
			prepared: preparation{Layout: layout{Tenants: 100, Fanout: max(n/500, 1)}, Waiting: 10},
		},
	}
}
