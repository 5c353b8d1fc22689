package main

import (
	"context"
	"time"
)

// Peers.
const (
	peerWebhook = "webhook"
	peerRiver   = "river"
	peerRaw     = "raw"
)

var peerNames = []string{peerWebhook, peerRiver, peerRaw}

// A plan is how a round of one peer goes.
type plan struct {
	peer    string
	variant string
	store   string // of webhook; empty means PostgreSQL

	prepared  preparation
	load      load
	processes int           // that send; 0 means 1
	expect    int           // deliveries to endpoints that answer
	others    int           // to one that hangs until all is sent
	hang      time.Duration // of the dead endpoint
	refuse    bool          // nothing listens there

	// preloaded says that the data tell nothing of when the events were emitted.
	preloaded bool

	// beside is called with the database before anything is measured; what it returns, afterwards.
	beside func(ctx context.Context, b *bench, database string) (end func(), err error)

	// sent is called when all is emitted.
	sent func(ctx context.Context, b *bench, m *measured) error

	// figures are those of this scenario alone.
	figures func(m *measured) map[string]float64
}

// usesPostgres reports whether the peer has a database there.
func (p *plan) usesPostgres() bool {
	return p.peer == peerRiver || p.peer == peerWebhook && (p.store == "" || p.store == storePostgres)
}

// A preparation is what is in a database before a round begins. Equal ones are made once, and copied.
type preparation struct {
	Layout  layout
	Preload int // events that are due
	Backlog int // deliveries that are due to the endpoint that is dead
	Waiting int // deliveries to each endpoint that are due in the future
	Match   int // endpoints of the one tenant, see prepareMatch; instead of Layout
}

// A scenario is measured as its plans say, one after the other in each round.
type scenario struct {
	name  string
	warm  bool // once with small sizes before it counts, because its senders cannot warm up by themselves
	plans func(n int) []plan
}

var scenarios = []scenario{
	{"memory", false, memoryPlans},
	{"drain", true, drainPlans},
	{"steady", false, steadyPlans},
	{"latency", false, latencyPlans},
	{"noisy", false, noisyPlans},
	{"backlog", false, backlogPlans},
	{"fanout", false, fanoutPlans},
	{"match", false, matchPlans},
	{"processes", false, processesPlans},
	{"snapshot", false, snapshotPlans},
}

func scenarioNames() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.name
	}
	return names
}

// spread is the layout of most scenarios: each of 50 tenants has one endpoint.
var spread = layout{Tenants: 50, Fanout: 1}

// seconds is how long a scenario with a rate takes: less if -n is small.
func seconds(n, perSecond, most int) int { return min(max(n/perSecond, 1), most) }
