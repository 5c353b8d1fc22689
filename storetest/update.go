package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// updateCases check UpdateEndpoint.
var updateCases = []testCase{
	{
		"update/replaced", "UpdateEndpoint replaces an endpoint, and returns it with its next Version: one higher, or e.UpdatedAt in Unix microseconds if that is more",
		func(f *fixture) {
			e := fullEndpoint()
			first := f.newEndpoint(e.Tenant, e.ID)
			first.Version = 41
			f.create(first)
			e.Version = 41
			returned, err := f.store.UpdateEndpoint(f.ctx(), e)
			f.must("UpdateEndpoint", err)
			e.Version, e.CreatedAt, e.Health = e.UpdatedAt.UnixMicro(), first.CreatedAt, webhook.Health{}
			f.equal("returned", returned, e)
			f.equal("stored", f.get(e.Tenant, e.ID), e)
			cleared := returned
			cleared.Metadata, cleared.Header, cleared.Channel, cleared.Description = nil, nil, "", ""
			cleared.Secrets, cleared.Timeout, cleared.MaxInFlight = returned.Secrets[:1], 0, 0
			_, err = f.store.UpdateEndpoint(f.ctx(), cleared)
			f.must("UpdateEndpoint", err)
			cleared.Version = returned.Version + 1
			f.equal("stored after clearing fields", f.get(e.Tenant, e.ID), cleared)
		},
	},
	{
		"update/match", "UpdateEndpoint replaces an endpoint, its subscriptions and channel too",
		func(f *fixture) {
			f.endpoint("acme", "ep1", "a", "b")
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Events, e.Channel = []string{"b", "c"}, "web" })
			for _, typ := range []string{"a", "b", "c"} {
				f.names("matched by "+typ+" without a channel", f.match(asks("acme", typ)))
			}
			web := asks("acme", "a")
			web.Channel = "web"
			f.names("matched by a", f.match(web))
			web.Patterns = []string{"c"}
			f.names("matched by c", f.match(web), "ep1")
		},
	},
	{
		"update/conflict", "UpdateEndpoint replaces an endpoint whose Version is still e.Version, otherwise it returns ErrConflict",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			want := f.update("acme", "ep1", func(e *webhook.Endpoint) { e.Description = "second" })
			for _, version := range []int64{1, want.Version - 1, want.Version + 1, 0} {
				e := want
				e.Version, e.Description, e.Events = version, "third", []string{"other"}
				_, err := f.store.UpdateEndpoint(f.ctx(), e)
				f.is("other version", err, webhook.ErrConflict)
			}
			f.equal("stored", f.get("acme", "ep1"), want)
			f.names("matched", f.match(asks("acme", "t")), "ep1")
		},
	},
	{
		"update/not-found", "UpdateEndpoint returns ErrNotFound if there is none",
		func(f *fixture) {
			e := f.endpoint("acme", "ep1")
			unknown, foreign := e, e
			unknown.ID, foreign.Tenant = "EP1", "umbrella"
			_, err := f.store.UpdateEndpoint(f.ctx(), unknown)
			f.is("unknown id", err, webhook.ErrNotFound)
			_, err = f.store.UpdateEndpoint(f.ctx(), foreign)
			f.is("another tenant's", err, webhook.ErrNotFound)
			f.remove("acme", "ep1")
			_, err = f.store.UpdateEndpoint(f.ctx(), e)
			f.is("deleted", err, webhook.ErrNotFound)
		},
	},
	{
		"update/created-at", "CreatedAt is kept",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.advance(time.Hour)
			got := f.update("acme", "ep1", func(e *webhook.Endpoint) { e.CreatedAt = f.now })
			if !got.CreatedAt.Equal(base) || !f.get("acme", "ep1").CreatedAt.Equal(base) || !got.UpdatedAt.Equal(f.now) {
				f.Errorf("returned CreatedAt %v, UpdatedAt %v; want %v, %v", got.CreatedAt, got.UpdatedAt, base, f.now)
			}
		},
	},
	{
		"update/health-kept", "Health is kept",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.sicken("acme", "ep1")
			want := f.get("acme", "ep1").Health
			for _, state := range []webhook.EndpointState{
				webhook.EndpointActive, webhook.EndpointPaused, webhook.EndpointPaused, webhook.EndpointActive, webhook.EndpointDisabled,
			} {
				got := f.update("acme", "ep1", func(e *webhook.Endpoint) { e.State, e.Health = state, webhook.Health{Failures: 99} })
				f.equal("returned health, now "+string(state), got.Health, want)
				f.equal("health, now "+string(state), f.get("acme", "ep1").Health, want)
			}
		},
	},
	{
		"update/health-sealed", "sealed URLs with the same origin and tag are the same URL",
		func(f *fixture) {
			e := f.newEndpoint("acme", "ep1")
			e.URL = "https://example.com/sealed:tag1:one"
			f.create(e)
			want := f.sicken("acme", "ep1")
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.URL = "https://example.com/sealed:tag1:two" })
			f.equal("health after it was sealed again", f.health("acme", "ep1"), want)
			f.update("acme", "ep1", func(e *webhook.Endpoint) { e.URL = "https://example.com/sealed:tag2:two" })
			f.equal("health of another URL", f.health("acme", "ep1"), webhook.Health{})
		},
	},
	{
		"update/health-reset", "the zero Health replaces it when e.URL is another URL, or when a disabled endpoint is disabled no longer",
		func(f *fixture) {
			for id, change := range map[string]func(e *webhook.Endpoint){
				"moved":   func(e *webhook.Endpoint) { e.URL += "/v2" },
				"enabled": func(e *webhook.Endpoint) { e.State, e.Reason = webhook.EndpointActive, "" },
				"paused":  func(e *webhook.Endpoint) { e.State, e.Reason = webhook.EndpointPaused, "" },
			} {
				f.endpoint("acme", id)
				sick := f.sicken("acme", id)
				if id != "moved" {
					f.setState("acme", id, webhook.EndpointDisabled)
				}
				got := f.update("acme", id, func(e *webhook.Endpoint) {
					change(e)
					e.Health = sick
				})
				f.equal("returned health of "+id, got.Health, webhook.Health{})
				f.equal("health of "+id, f.health("acme", id), webhook.Health{})
				if id == "paused" {
					continue
				}
				f.send("acme", "e-"+id, id)
				f.expectClaim("e-" + id + "." + id) // nothing blocks it
			}
		},
	},
	{
		"update/own-endpoint", "an update replaces the endpoint of this tenant with this id",
		func(f *fixture) {
			f.endpoint("umbrella", "ep1")
			f.endpoint("acme", "ep2")
			f.endpoint("acme", "ep1")
			f.setState("acme", "ep1", webhook.EndpointDisabled)
			for _, e := range []webhook.Endpoint{f.get("umbrella", "ep1"), f.get("acme", "ep2")} {
				if e.State != webhook.EndpointActive || e.Version != 1 {
					f.Errorf("endpoint %s of %s: got %s, version %d", e.ID, e.Tenant, e.State, e.Version)
				}
			}
		},
	},
}

// sicken makes an active endpoint fail, opens its circuit, and returns its health.
func (f *fixture) sicken(tenant, id string) webhook.Health {
	f.Helper()
	e := f.event(tenant, "sick-"+id, f.held(id)...)
	f.publish(e)
	f.settle(f.failure(f.own(e, id)))
	f.block(tenant, id, time.Hour, true)
	h := f.health(tenant, id)
	if h.Failures != 1 || !h.Circuit || h.BlockedUntil.IsZero() {
		f.Fatalf("health after a failure and an open circuit: %+v", h)
	}
	return h
}
