package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// endpointCases check CreateEndpoint, DeleteEndpoint, Endpoints and Refresh.
var endpointCases = []testCase{
	{
		"create/as-given", "CreateEndpoint stores a new endpoint as it is given, Version included",
		func(f *fixture) {
			e := f.create(fullEndpoint())
			f.create(webhook.Endpoint{
				Tenant: "acme", ID: "bare", URL: "https://example.com", Events: []string{"*"},
				State: webhook.EndpointPaused, Version: 1, CreatedAt: f.now, UpdatedAt: f.now,
			})
			f.equal("Refresh", f.get(e.Tenant, e.ID), e)
			f.equal("Endpoints", f.listEndpoints(webhook.Query{Tenant: e.Tenant, EndpointID: e.ID}), []webhook.Endpoint{e})
			bare := f.get("acme", "bare")
			if bare.State != webhook.EndpointPaused || len(bare.Metadata)+len(bare.Header)+len(bare.Secrets) != 0 {
				f.Errorf("an endpoint with few fields: got %+v", bare)
			}
		},
	},
	{
		"create/long-url", "Endpoint.URL may have 8,192 bytes: a sealed URL is kept whole, in the versions too",
		func(f *fixture) {
			e := f.newEndpoint("acme", "ep1", "a")
			e.URL = "https://example.com/sealed:" + strings.Repeat("Ab+/", 2041) + "="
			e.URL += strings.Repeat("x", 8192-len(e.URL))
			e = f.create(e)
			f.send("acme", "e1", "ep1")
			f.equal("Refresh", f.get("acme", "ep1"), e)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.URL = "https://example.com/" + strings.Repeat("y", 8192-20) })
			f.snapshots(f.round(f.room()), e)
			if n := len(f.get("acme", "ep1").URL); n != 8192 {
				f.Errorf("a URL of 8,192 bytes has %d after an update", n)
			}
		},
	},
	{
		"create/conflict", "CreateEndpoint returns ErrConflict if the tenant has one with the same id",
		func(f *fixture) {
			e := f.endpoint("acme", "ep1", "a")
			again := f.newEndpoint("acme", "ep1", "b")
			again.URL = "https://example.com/again"
			f.is("same id", f.store.CreateEndpoint(f.ctx(), again, 0), webhook.ErrConflict)
			f.equal("the first one", f.get("acme", "ep1"), e)
			f.names("matched", f.match(asks("acme", "b")))
			f.endpoint("umbrella", "ep1") // belongs to another tenant
		},
	},
	{
		"create/byte-by-byte", "ids are compared byte by byte",
		func(f *fixture) {
			for _, id := range lookalikes("endpoint") {
				f.endpoint("acme", id)
			}
			for _, id := range lookalikes("endpoint") {
				if got := f.get("acme", id); got.ID != id {
					f.Errorf("read %q, got %q", id, got.ID)
				}
			}
			f.remove("acme", "ENDPOINT")
			f.get("acme", "endpoint")
		},
	},
	{
		"create/deleted-id", "CreateEndpoint returns ErrConflict if the tenant had one with the same id whose deliveries are still stored",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.settle(f.success(f.take("e1.ep1")))
			f.remove("acme", "ep1")
			f.is("id of a deleted one", f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", "ep1"), 0), webhook.ErrConflict)
			f.prune(forEver)
			f.is("after Prune that keeps all", f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", "ep1"), 0), webhook.ErrConflict)
			f.endpoint("umbrella", "ep1") // belongs to another tenant
		},
	},
	{
		"create/deleted-unused", "CreateEndpoint takes the id of a deleted endpoint that has no deliveries stored",
		func(f *fixture) {
			f.endpoint("acme", "ep1", "a")
			f.remove("acme", "ep1")
			e := f.endpoint("acme", "ep1", "b")
			f.equal("the new one", f.get("acme", "ep1"), e)
			f.names("matched by a pattern of the old one", f.match(asks("acme", "a")))
			f.names("matched by a pattern of the new one", f.match(asks("acme", "b")), "ep1")
		},
	},
	{
		"create/limit", "CreateEndpoint returns ErrLimit if the tenant has limit endpoints already",
		func(f *fixture) {
			f.endpoints("umbrella", 3)
			for i := range 3 {
				f.must("below the limit", f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", fmt.Sprint(i)), 3))
			}
			f.is("at the limit", f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", "3"), 3), webhook.ErrLimit)
			f.is("above the limit", f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", "3"), 2), webhook.ErrLimit)
			f.names("stored", ids(f.listEndpoints(webhook.Query{Tenant: "acme"})), "0", "1", "2")
			f.remove("acme", "1")
			f.must("after a deletion", f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", "3"), 3))
		},
	},
	{
		"create/no-limit", "limit 0 is none",
		func(f *fixture) {
			for i := range 3 {
				f.must("limit 0", f.store.CreateEndpoint(f.ctx(), f.newEndpoint("acme", fmt.Sprint(i)), 0))
			}
			f.names("stored", ids(f.listEndpoints(webhook.Query{Tenant: "acme"})), "0", "1", "2")
		},
	},
	{
		"delete/unseen", "DeleteEndpoint removes an endpoint from every read and match at once",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.remove("acme", "ep0000")
			f.names("Endpoints", ids(f.listEndpoints(webhook.Query{Tenant: "acme"})), "ep0001")
			f.names("Endpoints of this id", ids(f.listEndpoints(webhook.Query{Tenant: "acme", EndpointID: "ep0000"})))
			f.names("Refresh", f.refresh(key("acme", "ep0000"), key("acme", "ep0001")), "acme/ep0001")
			f.names("Match", f.match(asks("acme", "t")), "ep0001")
			f.expectClaim("e1.ep0001")
		},
	},
	{
		"delete/not-found", "DeleteEndpoint returns ErrNotFound if there is none",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.is("unknown id", f.store.DeleteEndpoint(f.ctx(), key("acme", "ep2"), 0, f.now), webhook.ErrNotFound)
			f.is("another tenant's", f.store.DeleteEndpoint(f.ctx(), key("umbrella", "ep1"), 0, f.now), webhook.ErrNotFound)
			f.get("acme", "ep1")
			f.remove("acme", "ep1")
			f.is("deleted", f.store.DeleteEndpoint(f.ctx(), key("acme", "ep1"), 0, f.now), webhook.ErrNotFound)
		},
	},
	{
		"delete/version", "with a version other than 0 DeleteEndpoint removes the endpoint only while that is its Version, and returns ErrConflict otherwise",
		func(f *fixture) {
			e := f.endpoint("acme", "ep1")
			old := e.Version
			e.Description = "changed"
			updated, err := f.store.UpdateEndpoint(f.ctx(), e)
			f.must("UpdateEndpoint", err)
			for _, version := range []int64{old, updated.Version + 1, -1} {
				f.is(fmt.Sprint("version ", version), f.store.DeleteEndpoint(f.ctx(), key("acme", "ep1"), version, f.now), webhook.ErrConflict)
			}
			f.is("none of this id", f.store.DeleteEndpoint(f.ctx(), key("acme", "ep2"), 1, f.now), webhook.ErrNotFound)
			f.equal("still there", f.get("acme", "ep1").Description, "changed")
			f.must("DeleteEndpoint", f.store.DeleteEndpoint(f.ctx(), key("acme", "ep1"), updated.Version, f.now))
			f.names("Refresh", f.refresh(key("acme", "ep1")))
		},
	},
	{
		"endpoints/order", "Endpoints returns endpoints ordered by tenant and id",
		func(f *fixture) {
			for _, tenant := range []string{"b", "B", "é", "a"} {
				for _, id := range []string{"b", "B", "_", "a"} {
					f.endpoint(tenant, id)
				}
			}
			want := []string{"B/B", "B/_", "B/a", "B/b", "a/B", "a/_", "a/a", "a/b", "b/B", "b/_", "b/a", "b/b", "é/B", "é/_", "é/a", "é/b"}
			for _, limit := range []int{1, 2, 3, 15, 16, 17, 1000, 0} {
				f.ordered(fmt.Sprintf("in pages of %d", limit),
					paths(f.listEndpoints(webhook.Query{AllTenants: true, Limit: limit})), want...)
			}
			f.ordered("of one tenant", paths(f.listEndpoints(webhook.Query{Tenant: "a", Limit: 3})), want[4:8]...)
		},
	},
	{
		"endpoints/filter", "Endpoints honours Tenant, AllTenants, EndpointID",
		func(f *fixture) {
			for _, tenant := range []string{"acme", "umbrella"} {
				f.endpoints(tenant, 3)
			}
			f.names("one", paths(f.listEndpoints(webhook.Query{Tenant: "acme", EndpointID: "ep0001"})), "acme/ep0001")
			f.names("this id of all tenants", paths(f.listEndpoints(webhook.Query{AllTenants: true, EndpointID: "ep0001"})),
				"acme/ep0001", "umbrella/ep0001")
			f.names("unknown", paths(f.listEndpoints(webhook.Query{Tenant: "acme", EndpointID: "EP0001"})))
		},
	},
	{
		"endpoints/health", "Health selects endpoints with that Health.Status or a later one that are not disabled",
		func(f *fixture) {
			f.endpoints("acme", 6)
			f.endpoints("umbrella", 1)
			f.fails("acme", "ep0000", 1, "")
			f.fails("acme", "ep0001", 2, webhook.HealthFailing)
			f.fails("acme", "ep0002", 3, webhook.HealthDisabling)
			f.fails("acme", "ep0003", 4, webhook.HealthFailing)
			f.setState("acme", "ep0003", webhook.EndpointDisabled)
			f.fails("umbrella", "ep0000", 1, webhook.HealthFailing)
			q := webhook.Query{Tenant: "acme", Health: webhook.HealthFailing}
			f.ordered("failing", ids(f.listEndpoints(q)), "ep0001", "ep0002")
			q.EndpointID = "ep0000"
			f.ordered("one that is not failing", ids(f.listEndpoints(q)))
			q.EndpointID = "ep0001"
			f.ordered("one that is failing", ids(f.listEndpoints(q)), "ep0001")
			q.EndpointID, q.Health = "", webhook.HealthDisabling
			f.ordered("disabling", ids(f.listEndpoints(q)), "ep0002")
		},
	},
	{
		"endpoints/failing-longest", "with Health and AllTenants, endpoints are ordered by FailingSince, the earliest first",
		func(f *fixture) {
			f.endpoints("acme", 5)
			f.endpoints("umbrella", 3)
			f.fails("acme", "ep0004", 1, webhook.HealthFailing)
			f.fails("umbrella", "ep0002", 2, webhook.HealthDisabling)
			f.fails("acme", "ep0000", 3, webhook.HealthFailing)
			f.fails("umbrella", "ep0000", 4, "")
			f.fails("acme", "ep0001", 5, webhook.HealthFailing)
			want := []string{"acme/ep0004", "umbrella/ep0002", "acme/ep0000", "acme/ep0001"}
			for _, limit := range []int{1, 2, 3, 4, 0} {
				q := webhook.Query{AllTenants: true, Health: webhook.HealthFailing, Limit: limit}
				f.ordered(fmt.Sprintf("in pages of %d", limit), paths(f.listEndpoints(q)), want...)
			}
			f.ordered("disabling", paths(f.listEndpoints(webhook.Query{AllTenants: true, Health: webhook.HealthDisabling})), want[1])
			f.ordered("an id", paths(f.listEndpoints(webhook.Query{AllTenants: true, Health: webhook.HealthFailing, EndpointID: "ep0000"})), want[2])
			page, err := f.store.Endpoints(f.ctx(), webhook.Query{AllTenants: true, Limit: 1})
			f.must("Endpoints", err)
			_, err = f.store.Endpoints(f.ctx(), webhook.Query{AllTenants: true, Health: webhook.HealthFailing, Cursor: page.Next})
			f.is("the cursor of another list", err, webhook.ErrInvalid)
		},
	},
	{
		"endpoints/failing-at-once", "with Health and AllTenants, endpoints that began to fail at once are all returned",
		func(f *fixture) {
			var want []string
			for _, id := range f.endpoints("acme", 7) {
				f.fails("acme", id, 1, webhook.HealthFailing)
				want = append(want, "acme/"+id)
			}
			for _, limit := range []int{1, 3} {
				q := webhook.Query{AllTenants: true, Health: webhook.HealthFailing, Limit: limit}
				f.names(fmt.Sprintf("in pages of %d", limit), paths(f.listEndpoints(q)), want...)
			}
		},
	},
	{
		"endpoints/default-limit", "Limit is 1 to 1,000 rows of a page; zero means 100",
		func(f *fixture) {
			want := f.endpoints("acme", 102)
			page, err := f.store.Endpoints(f.ctx(), webhook.Query{Tenant: "acme"})
			f.must("Endpoints", err)
			if len(page.Items) > 100 || page.Next == "" {
				f.Errorf("a page of %d items with Next %q, want at most 100 and a cursor", len(page.Items), page.Next)
			}
			f.ordered("all pages", ids(f.listEndpoints(webhook.Query{Tenant: "acme"})), want...)
		},
	},
	{
		"refresh/each-once", "Refresh returns the endpoints with these keys, each once; one that does not exist is left out",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.endpoint("umbrella", "u1")
			got := f.refresh(key("umbrella", "u1"), key("acme", "ep0002"), key("umbrella", "ep0001"), key("acme", "EP0000"),
				key("acme", "ep0002"), key("acme", "ep0000"))
			f.names("Refresh", got, "acme/ep0000", "acme/ep0002", "umbrella/u1")
			f.names("Refresh of nothing", f.refresh())
		},
	},
	{
		"refresh/now", "Refresh returns the endpoints as they are, with their Health",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.setState("acme", "ep1", webhook.EndpointPaused)
			until := f.block("acme", "ep1", leaseTime, false)
			got := f.get("acme", "ep1")
			if got.Version != f.versions[key("acme", "ep1")] || got.State != webhook.EndpointPaused || !got.Health.BlockedUntil.Equal(until) {
				f.Errorf("got version %d, %s, blocked until %v", got.Version, got.State, got.Health.BlockedUntil)
			}
		},
	},
}

// fullEndpoint returns an endpoint with every field set.
func fullEndpoint() webhook.Endpoint {
	at := base.Add(123456 * instant)
	return webhook.Endpoint{
		ID: "!~%_\\'\"", Tenant: "Ácme ", URL: "https://example.com/a?b=c%20d&e='\"", Description: "Überblick\n\t🙂 'quoted'",
		Events: []string{"member.*", "a.b-c_D", "*"}, Channel: "Kanal ", State: webhook.EndpointDisabled, Reason: reasonUnverified,
		Profile:  "stripe",
		Metadata: map[string]string{"Key": "value", "key": "", "schlüs sel": "wért \n" + strings.Repeat("x", 1000)},
		Header:   map[string]webhook.Secret{"Authorization": "Bearer 'x'", "X-Empty": ""},
		Timeout:  1234567 * time.Microsecond, MaxInFlight: 17,
		Secrets: []webhook.EndpointSecret{
			{Value: "new\"secret", CreatedAt: at.Add(instant)},
			{Value: "whsec_old", CreatedAt: at.Add(-time.Hour), ExpiresAt: at.Add(time.Hour + instant), PublicKey: "whpk_+/="},
		},
		Health: webhook.Health{
			Failures: 3, FailingSince: at.Add(-3 * instant), LastFailureAt: at.Add(-instant), RecoveredAt: at.Add(-time.Hour),
			BlockedUntil: at.Add(time.Hour), Circuit: true,
		},
		Version: 7, CreatedAt: at, UpdatedAt: at.Add(2 * instant),
	}
}

func ids(list []webhook.Endpoint) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.ID
	}
	return out
}

// paths returns "tenant/id" of each endpoint.
func paths(list []webhook.Endpoint) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.Tenant + "/" + e.ID
	}
	return out
}

func (f *fixture) refresh(keys ...webhook.EndpointKey) []string {
	f.Helper()
	list, err := f.store.Refresh(f.ctx(), slices.Clone(keys))
	f.must("Refresh", err)
	return paths(list)
}
