package storetest

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook"
)

// replayJobCases check how replays are stored, listed, canceled and removed.
var replayJobCases = []testCase{
	{
		"replay/stored", "CreateReplay stores an unfinished replay, which is due at once",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			r := f.newReplay("acme", "ep1")
			r.Request = webhook.ReplayRequest{
				Endpoint: "ep1", Event: "e1", From: base, To: base.Add(time.Hour), FinishedFrom: base.Add(instant), FinishedTo: base.Add(2 * instant),
				Types: []string{"a", "b.*"}, States: []webhook.DeliveryState{webhook.DeliverySucceeded}, Rate: 0.25,
			}
			r.Matched, r.Exact = 7, true
			f.equal("CreateReplay", f.startReplay(r), r)
			f.equal("Replays", f.replays(webhook.Query{Tenant: "acme"}), []webhook.Replay{r})
			m := f.newMissed("acme", "ep1")
			m.Cancels, m.Matched = true, 10_000
			f.startReplay(m)
			f.equal("Replays", f.replays(webhook.Query{Tenant: "acme", ReplayID: m.ID}), []webhook.Replay{m})
			stepped, _ := f.step(r.ID)
			r.FinishedAt = f.now
			f.equal("StepReplay", stepped, r)
			f.equal("Replays", f.replays(webhook.Query{Tenant: "acme", ReplayID: r.ID}), []webhook.Replay{r})
		},
	},
	{
		"replay/same-key", "if an unfinished replay with the same Key exists, CreateReplay returns that one and stores nothing",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			first, second := f.newReplay("acme", "ep1"), f.newReplay("acme", "ep1")
			create := func(r webhook.Replay) webhook.Replay {
				r.Key = "key \x00\xff"
				got, err := f.store.CreateReplay(f.ctx(), r)
				f.must("CreateReplay", err)
				return got
			}
			f.equal("the first", create(first), first)
			f.equal("the second", create(second), first)
			f.names("replays", replayIDs(f.replays(webhook.Query{Tenant: "acme"})), first.ID)
			f.finish()
			f.equal("after the first has ended", create(second), second)
		},
	},
	{
		"replay/limits", "it returns ErrLimit if 5 replays of the tenant are unfinished, or 100 in all",
		func(f *fixture) {
			for i := range 100 {
				tenant := "" // of all tenants
				if i >= 5 {
					tenant = fmt.Sprint("tenant", i/5)
				}
				_, err := f.tryReplay(f.newReplay(tenant, ""))
				f.must("CreateReplay", err)
				if i == 4 || i == 9 {
					_, err = f.tryReplay(f.newReplay(tenant, ""))
					f.is("a sixth", err, webhook.ErrLimit)
				}
			}
			_, err := f.tryReplay(f.newReplay("other", ""))
			f.is("the hundred and first", err, webhook.ErrLimit)
			f.equal("replays", len(f.replays(webhook.Query{AllTenants: true, Limit: 1000})), 100)
			f.finish()
			_, err = f.tryReplay(f.newReplay("other", ""))
			f.must("CreateReplay after all have finished", err)
		},
	},
	{
		"replay/canceled", "CancelReplay ends the unfinished replay; no step follows",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.failed("acme", "e", "ep1", 3)
			f.advance(time.Second)
			r := f.newReplay("acme", "ep1")
			r.Request.Rate = 1
			f.startReplay(r)
			f.step(r.ID)
			want := r
			want.Reason, want.Changed, want.FinishedAt = webhook.ReasonCanceled, 1, f.now
			got, err := f.store.CancelReplay(f.ctx(), webhook.Query{Tenant: "acme", ReplayID: r.ID}, f.now)
			f.must("CancelReplay", err)
			f.equal("CancelReplay", got, want)
			f.advance(time.Minute)
			if _, next := f.step(""); !next.IsZero() {
				f.Errorf("next is %v after the only replay was canceled", next)
			}
			got, err = f.store.CancelReplay(f.ctx(), webhook.Query{AllTenants: true, ReplayID: r.ID}, f.now)
			f.must("CancelReplay again", err)
			f.equal("CancelReplay again", got, want)
			f.equal("Replays", f.replays(webhook.Query{Tenant: "acme"}), []webhook.Replay{want})
			f.equal("deliveries", len(f.claim()), 1)
		},
	},
	{
		"replay/cancel-errors", "it returns ErrNotFound if there is no such replay; a finished one is ErrConflict",
		func(f *fixture) {
			done, open := f.startReplay(f.newReplay("acme", "")), f.newReplay("acme", "")
			f.step(done.ID)
			f.startReplay(open)
			for _, q := range []webhook.Query{
				{Tenant: "umbrella", ReplayID: open.ID},
				{Tenant: "acme", ReplayID: f.newReplay("acme", "").ID},
				{Tenant: "acme", ReplayID: "none"},
				{AllTenants: true},
				{AllTenants: true, ReplayID: open.ID + "0"},
			} {
				_, err := f.store.CancelReplay(f.ctx(), q, f.now)
				f.is("CancelReplay of none", err, webhook.ErrNotFound)
			}
			_, err := f.store.CancelReplay(f.ctx(), webhook.Query{Tenant: "acme", ReplayID: done.ID}, f.now)
			f.is("CancelReplay of a finished one", err, webhook.ErrConflict)
			f.step(open.ID)
		},
	},
	{
		"replay/list", "Replays returns replays, the newest first",
		func(f *fixture) {
			var acme, everybody []string
			for i := range 12 {
				tenant := []string{"acme", "umbrella", ""}[i%3]
				r := f.startReplay(f.newReplay(tenant, ""))
				if everybody = append([]string{r.ID}, everybody...); tenant == "acme" {
					acme = append([]string{r.ID}, acme...)
				}
				f.advance(time.Duration(i%2) * time.Second)
			}
			for _, limit := range []int{0, 1, 3, 12, 13} {
				f.ordered(fmt.Sprint("of acme, limit ", limit), replayIDs(f.replays(webhook.Query{Tenant: "acme", Limit: limit})), acme...)
				f.ordered(fmt.Sprint("of all, limit ", limit), replayIDs(f.replays(webhook.Query{AllTenants: true, Limit: limit})), everybody...)
			}
			f.ordered("one", replayIDs(f.replays(webhook.Query{Tenant: "acme", ReplayID: acme[1]})), acme[1])
			f.ordered("of another tenant", replayIDs(f.replays(webhook.Query{Tenant: "umbrella", ReplayID: acme[1]})))
			f.ordered("none", replayIDs(f.replays(webhook.Query{AllTenants: true, ReplayID: "none"})))
		},
	},
	{
		"replay/removed", "Prune removes replays that ended longer ago than r.Events",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.failed("acme", "e", "ep1", 5)
			f.advance(time.Second)
			open := f.newReplay("acme", "ep1")
			open.Request.Rate = 0.001
			f.startReplay(open)
			f.step(open.ID)
			canceled := f.startReplay(f.newReplay("acme", ""))
			_, err := f.store.CancelReplay(f.ctx(), webhook.Query{Tenant: "acme", ReplayID: canceled.ID}, f.now)
			f.must("CancelReplay", err)
			f.advance(time.Second)
			done := f.startReplay(f.newReplay("acme", "ep1"))
			f.step(done.ID)
			kept := webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: time.Hour}
			f.advance(time.Hour - time.Second)
			f.prune(kept)
			f.names("after an hour", replayIDs(f.replays(webhook.Query{Tenant: "acme"})), open.ID, canceled.ID, done.ID)
			f.advance(instant)
			f.prune(kept)
			f.names("right after", replayIDs(f.replays(webhook.Query{Tenant: "acme"})), open.ID, done.ID)
			f.advance(time.Hour)
			f.prune(forEver)
			f.names("with a negative age", replayIDs(f.replays(webhook.Query{Tenant: "acme"})), open.ID, done.ID)
			f.prune(kept)
			f.names("another hour later", replayIDs(f.replays(webhook.Query{Tenant: "acme"})), open.ID)
		},
	},
	{
		"replay/erased", "Erase removes everything that is stored of a tenant, its replays too",
		func(f *fixture) {
			for _, tenant := range []string{"acme", "umbrella", ""} {
				f.startReplay(f.newReplay(tenant, ""))
			}
			f.must("Erase", f.store.Erase(f.ctx(), "acme"))
			for _, r := range f.replays(webhook.Query{AllTenants: true}) {
				if r.Tenant == "acme" {
					f.Errorf("got %+v of the tenant", r)
				}
			}
			f.equal("the other replays", len(f.replays(webhook.Query{AllTenants: true})), 2)
			for range 2 {
				stepped, _, err := f.store.StepReplay(f.ctx(), f.now)
				f.must("StepReplay", err)
				if stepped.ID == "" || stepped.Tenant == "acme" {
					f.Errorf("got a step of %+v", stepped)
				}
			}
			f.step("")
		},
	},
}
