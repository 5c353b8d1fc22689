package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// arrivals records the arrival times of requests to the endpoint "good".
type arrivals struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (a *arrivals) answer(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
	if !strings.Contains(req.URL, "good") {
		return hang(ctx, req)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at[req.Event.ID] = time.Now()
	return response(200), nil
}

// large is the data of an event near the default limit.
var large = json.RawMessage(`"` + strings.Repeat("x", 250<<10) + `"`)

func TestLargeEventsOfManyHangingEndpointsDelayNoOtherEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		hanging, events int
		own             bool // each endpoint has its own events
		backlog         bool // the events are stored before Run
		again           bool // they are emitted again every 30 seconds
	}{
		"100 endpoints, 4 events":             {hanging: 100, events: 4},
		"100 endpoints, 20 events":            {hanging: 100, events: 20},
		"300 endpoints, 4 events":             {hanging: 300, events: 4},
		"300 endpoints, 20 events":            {hanging: 300, events: 20},
		"300 endpoints, a backlog":            {hanging: 300, events: 20, backlog: true},
		"300 endpoints, events keep coming":   {hanging: 300, events: 10, again: true},
		"100 endpoints, own events":           {hanging: 100, events: 6, own: true},
		"100 endpoints, a backlog of own":     {hanging: 100, events: 6, own: true, backlog: true},
		"100 endpoints, own, and keep coming": {hanging: 100, events: 2, own: true, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			if raceDetector && (c.hanging > 100 || c.events > 6 || c.backlog || c.again) {
				t.Skip("a smaller case runs with the race detector")
			}
			inTime(t, func(t *testing.T) {
				seen := arrivals{at: map[string]time.Time{}}
				r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
					c.MaxEndpoints, c.Profile = -1, "plain"
					// large bodies would only make the test slow
					c.Profiles = map[string]webhook.Profile{"plain": {
						Encode:  func(*webhook.Message) ([]byte, error) { return []byte("{}"), nil },
						Signers: []webhook.Signer{func(*webhook.Request, []webhook.Secret) error { return nil }},
					}}
					net.Answer = seen.answer
				})
				kinds := 1
				if c.own {
					kinds = c.hanging
				}
				for i := range c.hanging {
					r.endpoint(fmt.Sprintf("bad%03d", i), func(e *webhook.Endpoint) { e.Events = []string{fmt.Sprint("bad", i%kinds)} })
				}
				r.endpoint("good", func(e *webhook.Endpoint) { e.Events = []string{"good"} })
				hangs := func() {
					for range c.events {
						for k := range kinds {
							_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: fmt.Sprint("bad", k), Data: large})
							require.NoError(t, err)
						}
					}
				}
				good := func(id string) {
					_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "good", ID: id, Data: 1})
					require.NoError(t, err)
				}
				if c.backlog {
					hangs()
				} else {
					r.run()
				}
				good("warm")
				if c.backlog {
					r.run()
				}
				pass(time.Second)
				if !c.backlog {
					hangs()
				}
				emitted := map[string]time.Time{}
				for i := range 60 {
					pass(2 * time.Second)
					if c.again && i%15 == 0 {
						hangs()
					}
					id := fmt.Sprint("good", i)
					emitted[id] = time.Now()
					good(id)
				}
				pass(time.Minute)
				seen.mu.Lock()
				defer seen.mu.Unlock()
				late, worst := 0, time.Duration(0)
				for id, at := range emitted {
					arrived, ok := seen.at[id]
					require.True(t, ok, "%s did not arrive", id)
					if wait := arrived.Sub(at); wait > 0 {
						late, worst = late+1, max(worst, wait)
					}
				}
				assert.Zero(t, late, "the worst by %v", worst)
			})
		})
	}
}
