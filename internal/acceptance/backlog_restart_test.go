package acceptance

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// drainTime is how long each request of a drain takes.
const drainTime = 100 * time.Millisecond

// holds are ways to hold an endpoint back for some seconds, in the first process of a fleet.
// Each calls opens when the endpoint is about to be open again, and returns then.
var holds = map[string]func(f *fleet, backlog, opens func()){
	"a circuit": func(f *fleet, backlog, opens func()) {
		f.rigs[0].emit("bad")
		f.rigs[0].emit("worse")
		pass(2 * time.Second)
		require.True(f.t, f.health("one").Circuit)
		backlog()
		f.answers(func(context.Context, *webhook.Request) (*webhook.Response, error) {
			pass(drainTime)
			opens() // before the probe's result is stored
			return response(204), nil
		})
		for f.health("one").Circuit {
			pass(time.Millisecond)
		}
	},
	"a pause": func(f *fleet, backlog, opens func()) {
		e := f.get("one")
		e.State = webhook.EndpointPaused
		e, err := f.rigs[0].Tenant(acme).UpdateEndpoint(f.t.Context(), e)
		require.NoError(f.t, err)
		backlog()
		pass(5 * time.Second)
		opens()
		e.State = webhook.EndpointActive
		_, err = f.rigs[0].Tenant(acme).UpdateEndpoint(f.t.Context(), e)
		require.NoError(f.t, err)
	},
	"Retry-After": func(f *fleet, backlog, opens func()) {
		f.answers(answer(503, "Retry-After: 10"))
		f.rigs[0].emit("bad")
		synctest.Wait()
		backlog()
		pass(9 * time.Second)
		opens()
	},
}

func TestABacklogOfAHeldEndpointDrainsFromOneRequestUpwards(t *testing.T) {
	for name, hold := range holds {
		for drainer, process := range []string{"the same process", "a process that was idle"} {
			inTime(t, func(t *testing.T) {
				f := newFleet(t, 2, func(c *webhook.Config) { c.Health.CircuitFailures = 2 })
				f.answers(answer(204))
				f.rigs[0].endpoint("one")
				for i := range 100 { // both processes know it as quick
					f.rigs[i%2].emit(fmt.Sprint("w", i))
					synctest.Wait()
				}
				f.rigs[1].store.idle.Store(true)
				pass(5 * time.Second)
				f.answers(answer(500))
				hold(f, func() {
					for i := range 100 {
						f.rigs[0].emit(fmt.Sprint("e", i))
					}
				}, func() {
					f.rigs[1-drainer].store.idle.Store(true)
					f.rigs[drainer].store.idle.Store(false)
				})
				f.answers(func(context.Context, *webhook.Request) (*webhook.Response, error) {
					pass(drainTime)
					return response(204), nil
				})
				opened := time.Now()
				pass(time.Minute)
				assertGrows(t, f, opened, drainer, name+", "+process)
			})
		}
	}
}

// assertGrows checks that a process has drained a backlog, with one request in flight at
// first. With each answer there may be one more.
func assertGrows(t *testing.T, f *fleet, opened time.Time, drainer int, what string) {
	t.Helper()
	all, _ := f.to("one", opened)
	var sent []time.Time
	for _, s := range all {
		require.Equal(t, drainer, s.rig, what)
		sent = append(sent, s.at)
	}
	require.GreaterOrEqual(t, len(sent), 99, what)
	most := 0
	for i, at := range sent {
		answered := 0
		for answered < i && !sent[answered].Add(drainTime).After(at) {
			answered++
		}
		flying := i + 1 - answered
		require.LessOrEqual(t, flying, 1+answered, "%s: at request %d", what, i)
		most = max(most, flying)
	}
	assert.GreaterOrEqual(t, most, 8, what)
}
