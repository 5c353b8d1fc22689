package drivertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// A caller calls every method of a store, in all the ways that lead to other statements, on a
// database that is in use.
type caller struct {
	*testing.T
	f   *filler
	s   *sqlstore.Store
	say func(method string) // the calls from now on
	now time.Time
	n   int
}

func (c *caller) all() {
	c.publish()
	c.emitTx()
	c.match()
	c.claimAndSettle()
	c.outbox()
	c.recover()
	c.replays()
	c.lists()
	c.attempts()
	c.endpoints()
	c.prune()
	c.say("Stats")
	_, err := c.s.Stats(c.Context(), c.now)
	assert.NoError(c, err)
	c.say("Backlog")
	_, err = c.s.Backlog(c.Context(), webhook.EndpointKey{Tenant: "tenant_7", ID: "ep_29"}, c.now)
	assert.NoError(c, err)
	c.say("Erase")
	assert.NoError(c, c.s.Erase(c.Context(), "tenant_3"))
}

func (c *caller) event(tenant int, deliveries ...webhook.NewDelivery) webhook.EventRecord {
	c.n++
	return webhook.EventRecord{
		UID: uuid.Must(uuid.NewV7()), Tenant: fmt.Sprintf("tenant_%d", tenant), ID: fmt.Sprintf("new_%d", c.n), Type: "order.paid",
		Data: []byte(`{}`), Time: c.now, CreatedAt: c.now, Deliveries: deliveries,
	}
}

func (c *caller) publish() {
	to := func(n int) webhook.NewDelivery {
		return webhook.NewDelivery{EndpointID: keyOf(n, usedEndpoints).ID, Version: 1, DueAt: c.now}
	}
	test := to(2)
	test.State, test.Attempt = webhook.DeliverySucceeded, &webhook.Attempt{StartedAt: c.now, Status: 200, ResponseBody: []byte("ok")}
	known := c.event(0, to(0))
	var batch []webhook.EventRecord
	for n := range 600 {
		e := c.event(n%usedTenants, to(n%usedTenants*usedEndpoints), to(n%usedTenants*usedEndpoints+1))
		if e.NewID = true; n%10 == 0 {
			e.Deliveries = nil
		}
		batch = append(batch, e)
	}
	again := slices.Clone(batch)
	for i := range again {
		again[i].NewID = false
	}
	for _, one := range []struct {
		name   string
		events []webhook.EventRecord
	}{
		{"new", []webhook.EventRecord{known}},
		{"duplicate", []webhook.EventRecord{known}},
		{"test", []webhook.EventRecord{c.event(0, test)}},
		{"batch", batch},
		{"batch again", again},
	} {
		c.say("Publish/" + one.name)
		_, err := c.s.Publish(c.Context(), webhook.PublishRequest{Now: c.now, LeaseUntil: c.now.Add(time.Minute), Events: one.events})
		assert.NoError(c, err)
	}
}

func (c *caller) emitTx() {
	c.say("EmitTx")
	tx, err := c.s.DB().BeginTx(c.Context(), nil)
	require.NoError(c, err)
	first, second := c.event(0), c.event(0)
	second.ID = first.ID
	second.Data = []byte(`{"other":1}`)
	_, err = c.s.Tx(tx).Publish(c.Context(), webhook.PublishRequest{Now: c.now, Atomic: true, Events: []webhook.EventRecord{first, second}})
	assert.NoError(c, err)
	assert.NoError(c, tx.Commit())
}

func (c *caller) match() {
	r := webhook.EventRecord{Type: "order.paid"}
	for _, many := range []int{1, 200} {
		c.say(fmt.Sprintf("Match/%d", many))
		reqs := make([]webhook.MatchRequest, many)
		for i := range reqs {
			reqs[i] = webhook.MatchRequest{Tenant: fmt.Sprintf("tenant_%d", i%usedTenants), Channel: "eu", Patterns: r.Patterns(), Limit: 1000}
		}
		matched, err := c.s.Match(c.Context(), reqs)
		assert.NoError(c, err)
		assert.Len(c, matched[0], usedEndpoints)
	}
}

// claim claims so many deliveries.
func (c *caller) claim(most, room int) webhook.Claimed {
	var all webhook.Claimed
	for {
		got, err := c.s.Claim(c.Context(), webhook.ClaimRequest{
			Now: c.now, LeaseUntil: c.now.Add(time.Minute), Max: most - len(all.Deliveries), MaxBytes: 1 << 24, Room: room, Cursor: all.Next,
		})
		require.NoError(c, err)
		all.Deliveries, all.Next = append(all.Deliveries, got.Deliveries...), got.Next
		if all.Next == "" || len(all.Deliveries) == most {
			return all
		}
	}
}

func (c *caller) claimAndSettle() {
	// Some endpoints have a circuit that is open, some of them nothing that is due; some have a
	// rate, and some have been changed.
	past, later := c.now.Add(-time.Second).UnixMicro(), c.now.Add(time.Hour).UnixMicro()
	c.f.exec(fmt.Sprintf("UPDATE webhook_status SET circuit = 1, blocked_until = %d WHERE id LIKE 'ep_%%0'", past))
	c.f.exec(fmt.Sprintf("UPDATE webhook_queue SET due_at = %d WHERE endpoint_id LIKE 'ep_%%60'", later))
	c.f.exec("UPDATE webhook_status SET version = 2 WHERE id LIKE 'ep_%4'")
	c.f.exec("UPDATE webhook_status SET rate = 1000000000, burst = 1000 WHERE id LIKE 'ep_%7'")
	c.say("Claim")
	few := c.claim(1, 1)
	c.say("Claim/many")
	many := c.claim(5_000, 20) // of all endpoints
	require.Len(c, few.Deliveries, 1)
	require.Greater(c, len(many.Deliveries), 1_200)

	c.say("Settle/1")
	c.settle(few.Deliveries, func(i *webhook.Settlement) { i.State = webhook.DeliverySucceeded })
	success, retry, late := many.Deliveries[:400], many.Deliveries[400:1000], many.Deliveries[1000:1060]
	var gone []webhook.Leased
	for _, l := range many.Deliveries[1060:] {
		if l.Endpoint.Tenant != "tenant_7" { // whose deliveries are retried below
			gone = append(gone, l)
		}
	}
	require.NotEmpty(c, gone)
	c.say("Settle/success")
	c.settle(success, func(i *webhook.Settlement) { i.State = webhook.DeliverySucceeded })
	c.say("Settle/retry")
	c.settle(retry, func(i *webhook.Settlement) {
		i.State, i.DueAt, i.Failures = webhook.DeliveryPending, c.now.Add(time.Minute), 1
		i.Attempt.Class, i.Attempt.Status, i.OpenCircuit, i.BlockUntil = webhook.ClassStatus, 503, true, c.now.Add(time.Second)
	})
	c.say("Settle/gone")
	c.settle(gone, func(i *webhook.Settlement) {
		i.State, i.Reason, i.Disable = webhook.DeliveryFailed, webhook.ReasonGone, webhook.ReasonGone
		i.Attempt.Class, i.Attempt.Status = webhook.ClassStatus, 410
	})
	c.say("Settle/late")
	c.settle(late, func(i *webhook.Settlement) { i.State, i.LeaseNo = webhook.DeliverySucceeded, i.LeaseNo-1 })
	c.settle(success[:50], func(i *webhook.Settlement) { i.State = webhook.DeliverySucceeded })

	// So many endpoints are paused and resumed that claims park their lanes.
	held := "WHERE (tenant LIKE 'tenant_4_' OR tenant LIKE 'tenant_1__')"
	c.f.exec("UPDATE webhook_status SET state = 'paused' " + held)
	c.f.exec("UPDATE webhook_queue SET lane = ref, leased_until = 0, due_at = 1 WHERE ref IN (SELECT ref FROM webhook_status " + held + ")")
	c.say("Claim/parks")
	c.claim(5_000, 20)
	c.f.exec("UPDATE webhook_status SET state = 'active' " + held)
	c.say("Claim/opens")
	require.NotEmpty(c, c.claim(20_000, 1_000).Deliveries) // all, so that parked lanes are empty
}

// outbox claims while an event is in the outbox that has more receivers than one claim makes
// deliveries for.
func (c *caller) outbox() {
	c.say("Claim/outbox")
	e := c.event(0)
	e.Tenant = wideTenant
	_, err := c.s.Publish(c.Context(), webhook.PublishRequest{Now: c.now, Events: []webhook.EventRecord{e}})
	require.NoError(c, err)
	c.claim(wideEndpoints, 1)
}

func (c *caller) settle(list []webhook.Leased, set func(*webhook.Settlement)) {
	items := make([]webhook.Settlement, len(list))
	for n, l := range list {
		items[n] = webhook.Settlement{
			UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, Version: 1,
			Attempt: &webhook.Attempt{StartedAt: c.now, Duration: time.Millisecond, Status: 200, ResponseBody: []byte("body")},
		}
		set(&items[n])
	}
	_, err := c.s.Settle(c.Context(), c.now, items)
	assert.NoError(c, err)
}

func (c *caller) recover() {
	tenant := webhook.Query{Tenant: "tenant_7"}
	of := func(set func(*webhook.Query)) webhook.Query {
		q := tenant
		set(&q)
		return q
	}
	for name, q := range sorted(map[string]webhook.Query{
		"finished": of(func(q *webhook.Query) { q.EventID, q.EndpointID = "evt_7", keyOf(7*4, 4).ID }),
		"pending":  of(func(q *webhook.Query) { q.EventID, q.EndpointID = "evt_23907", keyOf(7*4+(23907/50+1)%4, 4).ID }),
		"endpoint": of(func(q *webhook.Query) { q.EndpointID = keyOf(7*4+1, 4).ID }),
		"event":    of(func(q *webhook.Query) { q.EventID = "evt_23907" }),
		"state":    of(func(q *webhook.Query) { q.State = webhook.DeliveryFailed }),
		"pendings": of(func(q *webhook.Query) { q.State, q.Limit = webhook.DeliveryPending, 1000 }),
		"rest":     {AllTenants: true, Limit: 1000},
	}) {
		c.say("Retry/" + name)
		_, err := c.s.Retry(c.Context(), q, c.now)
		assert.NoError(c, err, name)
		c.say("Cancel/" + name)
		_, err = c.s.Cancel(c.Context(), q, c.now)
		if name != "finished" {
			assert.NoError(c, err, name)
		}
	}
}

func (c *caller) endpoints() {
	c.say("Endpoints/tenant")
	_, err := c.s.Endpoints(c.Context(), webhook.Query{Tenant: "tenant_7"})
	assert.NoError(c, err)
	c.say("Endpoints/one")
	_, err = c.s.Endpoints(c.Context(), webhook.Query{Tenant: "tenant_7", EndpointID: "ep_29"})
	assert.NoError(c, err)
	c.say("Endpoints/all")
	page, err := c.s.Endpoints(c.Context(), webhook.Query{AllTenants: true, Limit: 5})
	assert.NoError(c, err)
	_, err = c.s.Endpoints(c.Context(), webhook.Query{AllTenants: true, Limit: 5, Cursor: page.Next})
	assert.NoError(c, err)
	keys := make([]webhook.EndpointKey, 150)
	for n := range keys {
		keys[n] = keyOf(n, usedEndpoints)
	}
	c.say("Refresh")
	_, err = c.s.Refresh(c.Context(), keys)
	assert.NoError(c, err)
	c.say("CreateEndpoint")
	e := webhook.Endpoint{Tenant: "tenant_7", ID: "new", URL: "https://x.example/", Events: []string{"*", "order.*"}, State: webhook.EndpointActive, Version: 1}
	assert.NoError(c, c.s.CreateEndpoint(c.Context(), e, 10))
	c.say("UpdateEndpoint")
	e.Events = []string{"order.paid"}
	_, err = c.s.UpdateEndpoint(c.Context(), e)
	assert.NoError(c, err)
	c.say("DeleteEndpoint")
	assert.NoError(c, c.s.DeleteEndpoint(c.Context(), webhook.EndpointKey{Tenant: "tenant_9", ID: "ep_36"}, 0, c.now))
}

// prune has something to do for each sweep: ep_36 is deleted, others are disabled; most events
// are old; ep_8 had a version.
func (c *caller) prune() {
	c.say("Prune")
	for _, r := range []webhook.Retention{
		{ResponseBodies: -1, Attempts: -1, Events: 39 * day},
		{ResponseBodies: -1, Attempts: 38 * day, Events: -1},
		{ResponseBodies: 37 * day, Attempts: -1, Events: -1},
	} {
		for more, pieces := true, 0; more; pieces++ {
			var err error
			more, err = c.s.Prune(c.Context(), c.now, r)
			require.NoError(c, err)
			require.Less(c, pieces, 100)
		}
	}
}
