package acceptance

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// A villageKind is a kind of receivers. answer returns the status, a header and the time of
// a response.
type villageKind struct {
	name   string
	number int // of 200 endpoints
	answer func(v *villager, now time.Time) (status int, header string, took time.Duration)
}

// A village is some processes on one store, with a tenant for each endpoint.
type village struct {
	t     *testing.T
	store *memstore.Store
	rigs  []*rig
	rand  *rand.Rand

	mu     sync.Mutex
	people map[string]*villager // by tenant
	healed bool                 // all receivers accept everything
}

// A villager is an endpoint and its receiver.
type villager struct {
	kind     *villageKind
	number   int
	tenant   string
	begun    time.Time
	accepted time.Time // the last request, of a receiver with a limit
	letters  map[string]*letter
	attempts int
	after    int // requests since sickFrom
	passed   map[string]int
}

// A letter is an event as its receiver sees it.
type letter struct {
	emitted  time.Time
	accepted []time.Time
}

const letterTo = "one" // the id of every endpoint

// newVillage makes a village with the given number of processes, and one endpoint in scale
// of the usual number of each kind.
func newVillage(t *testing.T, processes int, kinds []villageKind, scale int, policy webhook.HealthPolicy) *village {
	t.Helper()
	v := &village{
		t: t, store: memstore.New(memstore.Options{MaxFinished: 1 << 20}), people: map[string]*villager{},
		rand: rand.New(rand.NewPCG(1, 2)),
	}
	for range processes {
		config := webhook.Config{
			Transport: &webhooktest.Transport{Answer: v.receive}, Logger: quiet, Health: policy, PollInterval: 30 * time.Second,
		}
		config.Observer.Notice = v.notice
		d, err := webhook.New(v.store, config)
		require.NoError(t, err)
		r := &rig{Dispatcher: d, t: t}
		v.rigs = append(v.rigs, r)
		r.run()
	}
	for i := range kinds {
		for n := range max(kinds[i].number/scale, 1) {
			p := &villager{
				kind: &kinds[i], number: n, tenant: fmt.Sprintf("%s-%d", strings.ReplaceAll(kinds[i].name, " ", "-"), n), begun: time.Now(),
				letters: map[string]*letter{}, passed: map[string]int{},
			}
			v.people[p.tenant] = p
			_, err := v.rigs[0].Tenant(p.tenant).CreateEndpoint(t.Context(), webhook.Endpoint{
				ID: letterTo, URL: "https://" + p.tenant + ".example", Events: []string{"*"},
			})
			require.NoError(t, err)
		}
	}
	return v
}

// receive is the receivers' side of a request.
func (v *village) receive(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
	v.mu.Lock()
	p := v.people[req.Endpoint.Tenant]
	now := time.Now()
	p.attempts++
	if now.Sub(p.begun) >= sickFrom {
		p.after++
	}
	status, header, took := p.kind.answer(p, now)
	if v.healed {
		status, header, took = 204, "", 20*time.Millisecond
	}
	v.mu.Unlock()
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if status == 204 {
		l := p.letters[req.Event.ID]
		l.accepted = append(l.accepted, time.Now())
	}
	if header == "" {
		return response(status), nil
	}
	return response(status, header), nil
}

func (v *village) notice(n webhook.Notice) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if name, is := strings.CutPrefix(n.Type, "webhook.endpoint."); is {
		v.people[n.Endpoint.Tenant].passed[name]++
	}
}

// live lets time pass, and emits events to every endpoint at random times of each part of a
// day. A receiver with a limit gets five at once. The last day brings no more events.
func (v *village) live(lasts time.Duration, perDay int) {
	v.t.Helper()
	tenants := slices.Sorted(maps.Keys(v.people))
	begun, part := time.Now(), day/time.Duration(perDay)
	for n := 0; time.Duration(n)*part < lasts-day; n++ {
		type due struct {
			at     time.Duration
			tenant string
		}
		var list []due
		for _, tenant := range tenants {
			list = append(list, due{time.Duration(n)*part + time.Duration(v.rand.Int64N(int64(part))), tenant})
		}
		slices.SortFunc(list, func(a, b due) int { return int(a.at - b.at) })
		for i, d := range list {
			pass(time.Until(begun.Add(d.at)))
			events := 1
			if v.people[d.tenant].kind.name == "limiting" {
				events = 5
			}
			for k := range events {
				v.emit(v.rigs[i%len(v.rigs)], d.tenant, fmt.Sprintf("evt_%d_%d", n, k))
			}
		}
	}
	pass(time.Until(begun.Add(lasts)))
}

func (v *village) emit(r *rig, tenant, id string) {
	v.t.Helper()
	v.mu.Lock()
	v.people[tenant].letters[id] = &letter{emitted: time.Now()}
	v.mu.Unlock()
	_, err := r.Emit(v.t.Context(), webhook.Event{Tenant: tenant, ID: id, Type: "a.b", Data: map[string]string{"for": tenant}})
	require.NoError(v.t, err)
}

// checkNothingIsLost checks that each event is stored, and that the state of its delivery is
// what its receiver saw.
func (v *village) checkNothingIsLost() {
	v.t.Helper()
	for tenant, p := range v.people {
		scope := v.rigs[0].Tenant(tenant)
		stored := map[string]bool{}
		for _, e := range everything(v.t, webhook.Query{}, scope.Events) {
			stored[e.ID] = true
		}
		states := map[string]webhook.Delivery{}
		for _, d := range everything(v.t, webhook.Query{}, scope.Deliveries) {
			states[d.EventID] = d
		}
		for id, l := range p.letters {
			require.True(v.t, stored[id], "%s: %s is stored", tenant, id)
			require.LessOrEqual(v.t, len(l.accepted), 1, "%s: %s comes once", tenant, id)
			switch d, made := states[id]; {
			case len(l.accepted) == 1:
				require.Equal(v.t, webhook.DeliverySucceeded, d.State, "%s: %s", tenant, id)
			case made:
				require.NotEqual(v.t, webhook.DeliverySucceeded, d.State, "%s: %s", tenant, id)
				require.True(v.t, d.State == webhook.DeliveryPending || d.Reason != "", "%s: %s", tenant, id)
			default:
				e, err := scope.Endpoint(v.t.Context(), letterTo)
				require.NoError(v.t, err)
				require.Equal(v.t, webhook.EndpointDisabled, e.State, "%s: %s has no delivery", tenant, id)
			}
		}
	}
}

// heal mends all receivers, enables their endpoints, and replays everything that was not
// delivered.
func (v *village) heal() {
	v.t.Helper()
	v.mu.Lock()
	v.healed = true
	v.mu.Unlock()
	ctx := v.t.Context()
	for _, tenant := range slices.Sorted(maps.Keys(v.people)) {
		scope := v.rigs[0].Tenant(tenant)
		e, err := scope.Endpoint(ctx, letterTo)
		require.NoError(v.t, err)
		if e.State == webhook.EndpointDisabled {
			e.State = webhook.EndpointActive
			_, err = scope.UpdateEndpoint(ctx, e)
			require.NoError(v.t, err)
		}
		for _, missed := range []bool{false, true} {
			_, err = scope.Replay(ctx, webhook.ReplayRequest{Endpoint: letterTo, Missed: missed})
			require.NoError(v.t, err)
		}
		pass(time.Minute)
	}
	pass(day)
}

// checkAllIsDelivered checks that each receiver has got each event exactly once.
func (v *village) checkAllIsDelivered() {
	v.t.Helper()
	for tenant, p := range v.people {
		for id, l := range p.letters {
			assert.Len(v.t, l.accepted, 1, "%s: %s", tenant, id)
		}
	}
}

// everything reads a list to its end.
func everything[T any](t *testing.T, q webhook.Query, list func(context.Context, webhook.Query) (webhook.Page[T], error)) (items []T) {
	t.Helper()
	for {
		page, err := list(t.Context(), q)
		require.NoError(t, err)
		items = append(items, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return items
		}
	}
}

// A villageReport sums up the endpoints of each kind.
type villageReport map[string]*kindReport

type kindReport struct {
	endpoints, events, delivered, attempts, after int

	resumed time.Duration // from the recovery of a receiver to its first delivery, at most
	longest time.Duration // from the time when it could have succeeded first to the delivery
	passed  map[string]int
}

func (v *village) report() villageReport {
	v.mu.Lock()
	defer v.mu.Unlock()
	report := villageReport{}
	for _, p := range v.people {
		r := report[p.kind.name]
		if r == nil {
			r = &kindReport{passed: map[string]int{}}
			report[p.kind.name] = r
		}
		r.endpoints++
		r.attempts += p.attempts
		r.after += p.after
		for name, n := range p.passed {
			r.passed[name] += n
		}
		first := time.Duration(0)
		for _, l := range p.letters {
			r.events++
			if len(l.accepted) == 0 {
				continue
			}
			r.delivered++
			wait := l.accepted[0].Sub(p.readyFor(l))
			r.longest = max(r.longest, wait)
			if !p.readyFor(l).Equal(l.emitted) && (first == 0 || wait < first) {
				first = wait
			}
		}
		r.resumed = max(r.resumed, first)
	}
	return report
}

// readyFor returns since when a delivery could have succeeded: since its event was emitted,
// or its receiver came back after the sickFrom.
func (v *villager) readyFor(l *letter) time.Time {
	back := v.begun.Add(sickFrom + 2*day)
	if v.kind.name == "back after two days" && l.emitted.Before(back) && l.accepted[0].After(back) {
		return back
	}
	return l.emitted
}

// String returns the report as a table.
func (r villageReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %9s %7s %9s %8s %12s %12s %12s  %s\n", "kind", "endpoints", "events", "delivered", "attempts",
		"per delivery", "resumed", "longest wait", "states passed")
	for i := range villageKinds {
		k := r[villageKinds[i].name]
		if k == nil {
			continue
		}
		var passed []string
		for _, name := range slices.Sorted(maps.Keys(k.passed)) {
			passed = append(passed, fmt.Sprintf("%s %d", name, k.passed[name]))
		}
		fmt.Fprintf(&b, "%-20s %9d %7d %9d %8d %12.2f %12v %12v  %s\n", villageKinds[i].name, k.endpoints, k.events, k.delivered, k.attempts,
			float64(k.attempts)/float64(k.events), k.resumed.Round(time.Second), k.longest.Round(time.Millisecond), strings.Join(passed, ", "))
	}
	return b.String()
}
