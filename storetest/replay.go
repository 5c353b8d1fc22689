package storetest

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// newReplay returns a replay of failed and canceled deliveries, as of now and at the
// highest rate.
func (f *fixture) newReplay(tenant, endpoint string) webhook.Replay {
	var id uuid.UUID
	f.seq++
	binary.BigEndian.PutUint64(id[:8], uint64(f.now.UnixMilli())<<16|7<<12)
	binary.BigEndian.PutUint64(id[8:], 1<<63|f.seq)
	return webhook.Replay{
		ID: id.String(), Tenant: tenant, AllTenants: tenant == "", CreatedAt: f.now,
		Request: webhook.ReplayRequest{
			Endpoint: endpoint, Rate: 1000, States: []webhook.DeliveryState{webhook.DeliveryFailed, webhook.DeliveryCanceled},
		},
	}
}

// newMissed returns a replay of the events that an endpoint has missed.
func (f *fixture) newMissed(tenant, endpoint string) webhook.Replay {
	r := f.newReplay(tenant, endpoint)
	r.Request.Missed, r.Request.States = true, nil
	return r
}

// newCancel returns a replay that cancels pending deliveries.
func (f *fixture) newCancel(tenant, endpoint string) webhook.Replay {
	r := f.newReplay(tenant, endpoint)
	r.Cancels, r.Request.States = true, nil
	return r
}

// tryReplay creates a replay with the key of its own id.
func (f *fixture) tryReplay(r webhook.Replay) (webhook.Replay, error) {
	r.Key = r.ID
	return f.store.CreateReplay(f.ctx(), r)
}

func (f *fixture) startReplay(r webhook.Replay) webhook.Replay {
	f.Helper()
	r, err := f.tryReplay(r)
	f.must("CreateReplay", err)
	return r
}

// step does one step. The replay that took it must be the one with this id, or none if
// the id is empty.
func (f *fixture) step(id string) (stepped webhook.Replay, next time.Time) {
	f.Helper()
	stepped, next, err := f.store.StepReplay(f.ctx(), f.now)
	f.must("StepReplay", err)
	if stepped.ID != id {
		f.Fatalf("StepReplay took the replay %q, want %q", stepped.ID, id)
	}
	return stepped, next
}

// finish steps until no replay is unfinished. It returns the replay that took the last
// step.
func (f *fixture) finish() (last webhook.Replay) {
	f.Helper()
	for range 1000 {
		stepped, next, err := f.store.StepReplay(f.ctx(), f.now)
		f.must("StepReplay", err)
		if stepped.ID != "" {
			last = stepped
		}
		if next.IsZero() {
			return last
		}
		if next.After(f.now) {
			f.now = next
		}
	}
	f.Fatalf("a replay has not ended after 1,000 steps")
	return last
}

// replay runs a replay to its end, and checks how many deliveries it has changed.
func (f *fixture) replay(r webhook.Replay, changed int) webhook.Replay {
	f.Helper()
	f.startReplay(r)
	last := f.finish()
	if last.ID != r.ID || !isDone(last) || last.Changed != changed || last.Skipped != 0 {
		f.Errorf("got %+v, want it finished with %d changed", last, changed)
	}
	return last
}

// count checks that a replay selects as many deliveries.
func (f *fixture) count(r webhook.Replay, want int) {
	f.Helper()
	got, exact, err := f.store.CountReplay(f.ctx(), r)
	f.must("CountReplay", err)
	if got != want || !exact {
		f.Errorf("CountReplay of %+v: got %d, exact %v; want %d, exact", r.Request, got, exact, want)
	}
}

func (f *fixture) replays(q webhook.Query) []webhook.Replay {
	f.Helper()
	return all(f, "Replays", q, f.store.Replays)
}

// isDone reports whether a replay has ended by itself.
func isDone(r webhook.Replay) bool { return !r.FinishedAt.IsZero() && r.Reason == "" }

func replayIDs(list []webhook.Replay) []string {
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.ID
	}
	return ids
}

// failed publishes n events to an endpoint and lets each delivery fail. Their ids begin
// with prefix.
func (f *fixture) failed(tenant, prefix, endpoint string, n int) {
	f.Helper()
	events := make([]webhook.EventRecord, n)
	for i := range events {
		events[i] = f.event(tenant, fmt.Sprintf("%s%03d", prefix, i), finalRow(endpoint, webhook.DeliveryFailed))
	}
	f.publish(events...)
}

// finalRow returns the row of a delivery that has finished.
func finalRow(endpoint string, state webhook.DeliveryState) webhook.NewDelivery {
	row := webhook.NewDelivery{EndpointID: endpoint, State: state}
	if state != webhook.DeliverySucceeded {
		row.Reason = webhook.ReasonExhausted
	}
	return row
}
