package storetest

import (
	"github.com/gowebhook/webhook"
)

// match asks for the endpoints of one event, and returns the endpoint ids.
func (f *fixture) match(req webhook.MatchRequest) []string {
	f.Helper()
	lists, err := f.store.Match(f.ctx(), []webhook.MatchRequest{req})
	f.must("Match", err)
	if len(lists) != 1 {
		f.Fatalf("Match of one request returned %d lists", len(lists))
	}
	return statusIDs(lists[0])
}

// asks returns a request for all endpoints that receive events of this type.
func asks(tenant, typ string) webhook.MatchRequest {
	e := webhook.EventRecord{Type: typ}
	return webhook.MatchRequest{Tenant: tenant, Patterns: e.Patterns(), Limit: 1000}
}

func statusIDs(list []webhook.EndpointStatus) []string {
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.Key.ID
	}
	return ids
}

// matchCases check Match.
var matchCases = []testCase{
	{
		"match/patterns", "Match returns the endpoints of the tenant that have at least one of the patterns",
		func(f *fixture) {
			f.endpoint("acme", "all", "*")
			f.endpoint("acme", "exact", "member.joined")
			f.endpoint("acme", "prefix", "other", "member.*")
			f.endpoint("acme", "deep", "member.joined.*")
			f.endpoint("acme", "near", "member", "member.joine", "members.*", "joined", "member.joinedx", "member%")
			f.names("member.joined", f.match(asks("acme", "member.joined")), "all", "exact", "prefix")
			f.names("member.joined.twice", f.match(asks("acme", "member.joined.twice")), "all", "prefix", "deep")
			f.names("member", f.match(asks("acme", "member")), "all", "near")
			f.names("unknown", f.match(asks("acme", "unknown")), "all")
		},
	},
	{
		"match/once", "Match returns the endpoints that have at least one of the patterns, each once",
		func(f *fixture) {
			f.endpoint("acme", "ep1", "*", "member.*", "member.joined")
			f.ordered("matched", f.match(asks("acme", "member.joined")), "ep1")
		},
	},
	{
		"match/order", "Match returns endpoints in the order of their ids, compared byte by byte",
		func(f *fixture) {
			for _, id := range []string{"b", "a", "B", "_", "a1", "a-", "10", "9", "~"} {
				f.endpoint("acme", id, "*")
			}
			f.ordered("matched", f.match(asks("acme", "t")), "10", "9", "B", "_", "a", "a-", "a1", "b", "~")
		},
	},
	{
		"match/limit", "Match returns at most Limit endpoints",
		func(f *fixture) {
			ids := f.endpoints("acme", 5)
			req := asks("acme", "t")
			for req.Limit = 1; req.Limit <= 6; req.Limit++ {
				f.ordered("matched", f.match(req), ids[:min(req.Limit, 5)]...)
			}
		},
	},
	{
		"match/limit-after-filter", "Match returns at most Limit of the endpoints that match",
		func(f *fixture) {
			f.endpoints("acme", 4)
			f.setState("acme", "ep0000", webhook.EndpointDisabled)
			f.remove("acme", "ep0001")
			f.endpoint("acme", "ep0002a", "other")
			req := asks("acme", "t")
			req.Limit = 2
			f.ordered("matched", f.match(req), "ep0002", "ep0003")
		},
	},
	{
		"match/channel", "an endpoint with a channel is returned only if it is the request's; one without is always",
		func(f *fixture) {
			f.endpoint("acme", "any")
			for _, channel := range []string{"web", "mobile", "Mobile", "mobile "} {
				e := f.newEndpoint("acme", channel)
				e.Channel = channel
				f.create(e)
			}
			req := asks("acme", "t")
			f.names("without a channel", f.match(req), "any")
			req.Channel = "mobile"
			f.names("with a channel", f.match(req), "any", "mobile")
			req.Channel = "none"
			f.names("with a channel of nobody", f.match(req), "any")
		},
	},
	{
		"match/states", "endpoints that are disabled or deleted are not returned; paused and blocked ones are",
		func(f *fixture) {
			for _, id := range []string{"active", "paused", "blocked", "off", "deleted"} {
				f.endpoint("acme", id)
			}
			f.setState("acme", "paused", webhook.EndpointPaused)
			f.setState("acme", "off", webhook.EndpointDisabled)
			f.remove("acme", "deleted")
			f.block("acme", "blocked", leaseTime, false)
			f.names("matched", f.match(asks("acme", "t")), "active", "blocked", "paused")
			f.setState("acme", "off", webhook.EndpointActive)
			f.names("matched after enabling", f.match(asks("acme", "t")), "active", "blocked", "off", "paused")
		},
	},
	{
		"match/status", "Match returns the status of the endpoints: version, state and health",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.setState("acme", "ep1", webhook.EndpointPaused)
			f.setState("acme", "ep1", webhook.EndpointActive)
			until := f.block("acme", "ep1", leaseTime, true)
			f.setState("acme", "ep1", webhook.EndpointPaused)
			got, err := f.store.Match(f.ctx(), []webhook.MatchRequest{asks("acme", "t")})
			f.must("Match", err)
			f.equal("statuses", got, [][]webhook.EndpointStatus{{{
				Key: key("acme", "ep1"), Version: f.versions[key("acme", "ep1")], State: webhook.EndpointPaused,
				Health: webhook.Health{BlockedUntil: until, Circuit: true},
			}}})
		},
	},
	{
		"match/tenant", "Match returns the endpoints of the tenant",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.endpoint("Acme", "ep2")
			f.endpoint("acme ", "ep3")
			f.names("matched", f.match(asks("acme", "t")), "ep1")
			f.names("matched for a tenant without endpoints", f.match(asks("umbrella", "t")))
		},
	},
	{
		"match/requests", "Match returns, for each request, the endpoints",
		func(f *fixture) {
			f.endpoint("acme", "a1")
			f.endpoint("acme", "a2", "other")
			f.endpoint("umbrella", "u1")
			limited := asks("acme", "other")
			limited.Limit = 1
			reqs := []webhook.MatchRequest{
				asks("umbrella", "t"), asks("nobody", "t"), limited, asks("acme", "other"), asks("acme", "t"), asks("acme", "t"),
			}
			got, err := f.store.Match(f.ctx(), reqs)
			f.must("Match", err)
			want := [][]string{{"u1"}, nil, {"a1"}, {"a1", "a2"}, {"a1"}, {"a1"}}
			if len(got) != len(want) {
				f.Fatalf("got %d lists for %d requests", len(got), len(reqs))
			}
			for i := range want {
				f.ordered("matched", statusIDs(got[i]), want[i]...)
			}
		},
	},
	{
		"match/byte-by-byte", "patterns are compared byte by byte",
		func(f *fixture) {
			f.endpoint("acme", "upper", "Member.Joined", "MEMBER.*")
			f.endpoint("acme", "lower", "member.joined")
			f.names("matched", f.match(asks("acme", "member.joined")), "lower")
			f.names("matched", f.match(asks("acme", "Member.Joined")), "upper")
		},
	},
}
