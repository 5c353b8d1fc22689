package storetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// base is the time at which every case begins.
var base = time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)

const (
	// leaseTime is the length of the fixture's leases.
	leaseTime = time.Minute

	// grace is how long after its end a lease still belongs to its owner.
	grace = 5 * time.Second

	// instant is the smallest step of time.
	instant = time.Microsecond
)

// A uid is an event's UID, as a map key.
type uid = [16]byte

// A fixture is an empty store with a clock, and methods that fill the store and read it. They
// end the case if an error occurs that the case does not expect.
type fixture struct {
	tb
	store    webhook.Store
	now      time.Time
	seq      uint64
	sent     map[uid]webhook.EventRecord   // all events made by the method event
	versions map[webhook.EndpointKey]int64 // of endpoints, as of the last create or update
}

func newFixture(t tb, store webhook.Store) *fixture {
	return &fixture{
		tb: t, store: store, now: base,
		sent: map[uid]webhook.EventRecord{}, versions: map[webhook.EndpointKey]int64{},
	}
}

func (f *fixture) ctx() context.Context { return f.Context() }

func (f *fixture) advance(d time.Duration) { f.now = f.now.Add(d) }

func key(tenant, id string) webhook.EndpointKey { return webhook.EndpointKey{Tenant: tenant, ID: id} }

// newEndpoint returns an active endpoint with the usual fields set. Without patterns it is
// subscribed to "*".
func (f *fixture) newEndpoint(tenant, id string, patterns ...string) webhook.Endpoint {
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	return webhook.Endpoint{
		Tenant: tenant, ID: id, URL: "https://example.com/" + id, Events: patterns,
		State: webhook.EndpointActive, Profile: "standard", Metadata: map[string]string{"id": id},
		Secrets: []webhook.EndpointSecret{{Value: "whsec_1", CreatedAt: f.now}},
		Version: 1, CreatedAt: f.now, UpdatedAt: f.now,
	}
}

func (f *fixture) create(e webhook.Endpoint) webhook.Endpoint {
	f.Helper()
	f.must("CreateEndpoint "+e.ID, f.store.CreateEndpoint(f.ctx(), e, 0))
	f.versions[key(e.Tenant, e.ID)] = e.Version
	return e
}

// endpoint creates an endpoint as newEndpoint makes it.
func (f *fixture) endpoint(tenant, id string, patterns ...string) webhook.Endpoint {
	f.Helper()
	return f.create(f.newEndpoint(tenant, id, patterns...))
}

// endpoints creates n endpoints, and returns their ids in order.
func (f *fixture) endpoints(tenant string, n int) []string {
	f.Helper()
	ids, errs := make([]string, n), make([]error, n)
	parts := 1
	if n >= 100 { // a store on disk takes a while for each
		parts = callers
	}
	together(parts, func(part int) {
		for i := part; i < n; i += parts {
			ids[i] = fmt.Sprintf("ep%04d", i)
			errs[i] = f.store.CreateEndpoint(f.ctx(), f.newEndpoint(tenant, ids[i]), 0)
		}
	})
	for i, id := range ids {
		f.must("CreateEndpoint "+id, errs[i])
		f.versions[key(tenant, id)] = 1
	}
	return ids
}

// update changes an endpoint, and returns it as the store has it afterwards.
func (f *fixture) update(tenant, id string, change func(*webhook.Endpoint)) webhook.Endpoint {
	f.Helper()
	e := f.get(tenant, id)
	change(&e)
	e.UpdatedAt = f.now
	e, err := f.store.UpdateEndpoint(f.ctx(), e)
	f.must("UpdateEndpoint "+id, err)
	f.versions[key(tenant, id)] = e.Version
	return e
}

// nextVersion returns the version that follows old when an endpoint is updated at a time.
func nextVersion(old int64, at time.Time) int64 { return max(old+1, at.UnixMicro()) }

func (f *fixture) setState(tenant, id string, state webhook.EndpointState) {
	f.Helper()
	f.update(tenant, id, func(e *webhook.Endpoint) {
		e.State, e.Reason = state, ""
		if state == webhook.EndpointDisabled {
			e.Reason = webhook.ReasonCustomer
		}
	})
}

func (f *fixture) remove(tenant, id string) {
	f.Helper()
	f.must("DeleteEndpoint "+id, f.store.DeleteEndpoint(f.ctx(), key(tenant, id), 0, f.now))
}

// get returns an endpoint, which must exist.
func (f *fixture) get(tenant, id string) webhook.Endpoint {
	f.Helper()
	found, err := f.store.Refresh(f.ctx(), []webhook.EndpointKey{key(tenant, id)})
	f.must("Refresh "+id, err)
	if len(found) != 1 {
		f.Fatalf("Refresh %s %s: got %d endpoints, want 1", tenant, id, len(found))
	}
	return found[0]
}

// health returns the Health of an endpoint without LastClass and LastStatus, which a case of their
// own checks.
func (f *fixture) health(tenant, id string) webhook.Health {
	f.Helper()
	h := f.get(tenant, id).Health
	h.LastClass, h.LastStatus = "", 0
	return h
}

// event makes an event that happens now. Without rows it is stored without deliveries. Events
// that are made later have higher UIDs. Rows without a Version get the endpoint's version.
func (f *fixture) event(tenant, id string, rows ...webhook.NewDelivery) webhook.EventRecord {
	e := webhook.EventRecord{
		Tenant: tenant, ID: id, Type: "member.joined", Data: []byte(`{"id":"` + id + `"}`),
		Time: f.now, CreatedAt: f.now, Deliveries: append([]webhook.NewDelivery{}, rows...), // not nil
	}
	for i, row := range e.Deliveries {
		if row.Version == 0 {
			e.Deliveries[i].Version = max(f.versions[key(tenant, row.EndpointID)], 1)
		}
	}
	f.seq++
	ms, micros := uint64(f.now.UnixMilli()), uint64(f.now.UnixMicro()%1000)
	binary.BigEndian.PutUint64(e.UID[:8], ms<<16|7<<12|micros<<12/1000) // a UUIDv7, with microseconds
	binary.BigEndian.PutUint64(e.UID[8:], 1<<63|f.seq)
	f.sent[e.UID] = e
	return e
}

// outbox makes an event without delivery rows, so that the store makes its deliveries from the
// outbox.
func (f *fixture) outbox(tenant, id string) webhook.EventRecord {
	e := f.event(tenant, id)
	e.Deliveries = nil
	return e
}

// ready returns rows that are due now.
func (f *fixture) ready(endpoints ...string) []webhook.NewDelivery {
	rows := make([]webhook.NewDelivery, len(endpoints))
	for i, id := range endpoints {
		rows[i] = webhook.NewDelivery{EndpointID: id, DueAt: f.now}
	}
	return rows
}

// held returns rows with leases that belong to their publisher.
func (f *fixture) held(endpoints ...string) []webhook.NewDelivery {
	rows := f.ready(endpoints...)
	for i := range rows {
		rows[i].Leased = true
	}
	return rows
}

// tryPublish publishes the events, and returns the result of each.
func (f *fixture) tryPublish(events ...webhook.EventRecord) []webhook.Published {
	f.Helper()
	results, err := f.store.Publish(f.ctx(), f.request(events...))
	f.must("Publish", err)
	if len(results) != len(events) {
		f.Fatalf("Publish of %d events returned %d results", len(events), len(results))
	}
	return results
}

// publishFree publishes an event. It tries again while a call of another goroutine holds the
// event's id.
func (f *fixture) publishFree(e webhook.EventRecord) (result webhook.Published, err error) {
	const most = 100_000
	for range most {
		results, err := f.store.Publish(f.ctx(), f.request(e))
		if err != nil || len(results) != 1 || !results[0].Held {
			return append(results, webhook.Published{})[0], err
		}
		result = results[0]
	}
	return result, nil
}

func (f *fixture) request(events ...webhook.EventRecord) webhook.PublishRequest {
	return webhook.PublishRequest{Now: f.now, LeaseUntil: f.now.Add(leaseTime), Events: events}
}

// publish publishes new events.
func (f *fixture) publish(events ...webhook.EventRecord) {
	f.Helper()
	for i, r := range f.tryPublish(events...) {
		if r.Err != nil || r.Duplicate || r.Deliveries != len(events[i].Deliveries) {
			f.Fatalf("Publish of the new event %s: got %+v, want %d deliveries", events[i].ID, r, len(events[i].Deliveries))
		}
	}
}

// send publishes an event with rows for these endpoints, which are due now.
func (f *fixture) send(tenant, id string, endpoints ...string) webhook.EventRecord {
	f.Helper()
	e := f.event(tenant, id, f.ready(endpoints...)...)
	f.publish(e)
	return e
}

// backlog publishes n events for one endpoint, which are due now. Their ids begin with prefix.
func (f *fixture) backlog(tenant, prefix, endpoint string, n int) {
	f.Helper()
	events := make([]webhook.EventRecord, n)
	for i := range events {
		events[i] = f.event(tenant, fmt.Sprintf("%s%03d", prefix, i), f.ready(endpoint)...)
	}
	for part := range slices.Chunk(events, 100) {
		f.publish(part...)
	}
}

// prune prunes until nothing more can be removed.
func (f *fixture) prune(r webhook.Retention) {
	f.Helper()
	for range 1000 {
		more, err := f.store.Prune(f.ctx(), f.now, r)
		f.must("Prune", err)
		if !more {
			return
		}
	}
	f.Fatalf("Prune says that there is more after 1,000 calls")
}

// forEver is a Retention that removes nothing.
var forEver = webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: -1}

// Reasons that this version of the library does not define. They may come from a later version,
// or from the application. A Store keeps any reason.
const (
	reasonFailing    webhook.Reason = "failing"
	reasonUnverified webhook.Reason = "unverified"
)
