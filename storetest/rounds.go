package storetest

import (
	"fmt"
	"slices"

	"github.com/gowebhook/webhook"
)

// roundCases check how much Claim leases, and in which order it visits the endpoints.
var roundCases = []testCase{
	{
		"round/max", "Claim leases at most req.Max deliveries",
		func(f *fixture) {
			f.endpoints("acme", 3)
			for i, id := range []string{"ep0000", "ep0001", "ep0002"} {
				f.backlog("acme", fmt.Sprintf("%c", 'a'+i), id, 7)
			}
			req := f.room()
			req.Max = 4
			f.until(21, req, func(c webhook.Claimed) {
				if len(c.Deliveries) > 4 {
					f.Errorf("got %d deliveries in one call", len(c.Deliveries))
				}
			})
		},
	},
	{
		"round/max-bytes", "after the first, Claim leases data of at most req.MaxBytes, of each event once",
		func(f *fixture) {
			f.endpoints("acme", 3)
			for i := range 6 {
				e := f.event("acme", fmt.Sprint(i), f.ready("ep0000", "ep0001", "ep0002")...)
				e.Data = largeJSON(1000)
				f.publish(e)
			}
			req := f.room()
			req.MaxBytes = 2500
			f.until(18, req, func(c webhook.Claimed) {
				if size := dataSize(c); size > 2500 {
					f.Errorf("got data of %d bytes in one call", size)
				}
			})
		},
	},
	{
		"round/first-always", "after the first, Claim leases data of at most req.MaxBytes",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.backlog("acme", "e", "ep1", 3)
			req := f.room()
			req.MaxBytes = 1
			f.until(3, req, func(c webhook.Claimed) {
				if len(c.Deliveries) > 1 {
					f.Errorf("got %d deliveries in one call", len(c.Deliveries))
				}
			})
		},
	},
	{
		"round/room", "Claim leases from one endpoint at most req.Room",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.backlog("acme", "a", "ep0000", 7)
			f.backlog("acme", "b", "ep0001", 2)
			req := f.room()
			req.Room = 3
			for _, want := range []map[string]int{{"ep0000": 3, "ep0001": 2}, {"ep0000": 3}, {"ep0000": 1}, {}} {
				f.equal("leased from each endpoint", perEndpoint(f.round(req)), want)
			}
		},
	},
	{
		"round/rooms", "Claim leases from one endpoint at most req.Room, or its entry in req.Rooms",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.endpoint("umbrella", "ep0000")
			for i, id := range []string{"ep0000", "ep0001", "ep0002"} {
				f.backlog("acme", fmt.Sprintf("%c", 'a'+i), id, 6)
			}
			f.backlog("umbrella", "u", "ep0000", 6)
			req := f.room()
			req.Room = 2
			req.Rooms = map[webhook.EndpointKey]int{key("acme", "ep0001"): 5, key("umbrella", "ep0000"): 1}
			got := f.leases(f.round(req))
			f.equal("leased from each endpoint", perKey(got), map[string]int{
				"acme/ep0000": 2, "acme/ep0001": 5, "acme/ep0002": 2, "umbrella/ep0000": 1,
			})
		},
	},
	{
		"round/no-room", "an endpoint whose room is zero or less is passed over",
		func(f *fixture) {
			f.endpoints("acme", 3)
			f.send("acme", "e1", "ep0000", "ep0001", "ep0002")
			req := f.room()
			req.Rooms = map[webhook.EndpointKey]int{key("acme", "ep0000"): 0, key("acme", "ep0001"): -1}
			f.names("claimed", f.leaseNames(f.leases(f.round(req))), "e1.ep0002")
			req.Room, req.Rooms = 0, nil
			f.names("claimed without any room", f.leaseNames(f.leases(f.round(req))))
			req.Rooms = map[webhook.EndpointKey]int{key("acme", "ep0001"): 1}
			f.names("claimed with room for one", f.leaseNames(f.leases(f.round(req))), "e1.ep0001")
		},
	},
	{
		"round/fair", "Claim goes round the endpoints that have due deliveries, so that none waits behind another's backlog",
		func(f *fixture) {
			names := f.endpoints("acme", 12)
			for _, big := range []string{names[0], names[6], names[11]} {
				f.backlog("acme", "big-"+big, big, 60)
			}
			f.advance(instant) // later deliveries have been due for a shorter time
			f.send("acme", "late", names...)
			req := f.room()
			req.Max, req.Room = 8, 4
			req.Now, req.LeaseUntil = f.now, f.now.Add(leaseTime)
			got := perEndpoint(f.round(req))
			for _, id := range names {
				if n := got[id]; n < 1 || n > 2*req.Room {
					f.Errorf("one round leased %d deliveries of %s, want 1 to about %d", n, id, req.Room)
				}
			}
		},
	},
	{
		"round/all-visited", "one call may visit only some of the endpoints; the next passes Next to go on with the same round",
		func(f *fixture) {
			names := f.endpoints("acme", 300)
			for part := range slices.Chunk(names, 100) {
				f.send("acme", "e-"+part[0], part...)
			}
			for _, limit := range []int{7, 300} {
				req := f.room()
				req.Max = limit
				f.names("endpoints visited", keys(perEndpoint(f.round(req))), names...)
				f.advance(leaseTime + grace)
			}
		},
	},
	{
		"round/behind-many", "Next is empty when all endpoints have been visited, those that are passed over too",
		func(f *fixture) {
			names := f.endpoints("acme", 300)
			for part := range slices.Chunk(names, 100) {
				f.send("acme", "e-"+part[0], part...)
			}
			for _, id := range names {
				if id != names[150] {
					f.setState("acme", id, webhook.EndpointPaused)
				}
			}
			req := f.room()
			req.Max = 5
			f.names("endpoints leased from", keys(perEndpoint(f.round(req))), names[150])
		},
	},
	{
		"round/tenants", "Claim goes round the endpoints of all tenants",
		func(f *fixture) {
			for _, tenant := range []string{"a", "A", "b"} {
				f.endpoint(tenant, "ep1")
				f.send(tenant, "e-"+tenant, "ep1")
			}
			f.expectClaim("e-a.ep1", "e-A.ep1", "e-b.ep1")
		},
	},
}

// until claims round after round until nothing is due. By then n deliveries must have been
// leased, each once.
func (f *fixture) until(n int, req webhook.ClaimRequest, look func(webhook.Claimed)) {
	f.Helper()
	got := map[string]int{}
	for range 1000 {
		replies := f.round(req)
		leases := f.leases(replies)
		for _, c := range replies {
			look(c)
		}
		for _, l := range leases {
			got[l.Endpoint.Tenant+"/"+f.name(l)]++
		}
		if len(leases) == 0 {
			break
		}
	}
	for name, times := range got {
		if times > 1 {
			f.Errorf("%s was leased %d times", name, times)
		}
	}
	if len(got) != n {
		f.Errorf("leased %d deliveries, want %d", len(got), n)
	}
}

func dataSize(c webhook.Claimed) int {
	n := 0
	for _, e := range c.Events {
		n += len(e.Data)
	}
	return n
}

// perEndpoint counts the deliveries leased from each endpoint.
func perEndpoint(replies []webhook.Claimed) map[string]int {
	n := map[string]int{}
	for _, c := range replies {
		for _, l := range c.Deliveries {
			n[l.Endpoint.ID]++
		}
	}
	return n
}

func perKey(leases []webhook.Leased) map[string]int {
	n := map[string]int{}
	for _, l := range leases {
		n[l.Endpoint.Tenant+"/"+l.Endpoint.ID]++
	}
	return n
}
