package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// Types of operational events.
const (
	typeFailing   = "webhook.endpoint.failing"
	typeDisabling = "webhook.endpoint.disabling_soon"
	typeDisabled  = "webhook.endpoint.disabled"
	typeRecovered = "webhook.endpoint.recovered"
	typeGivenUp   = "webhook.delivery.failed"
)

// slowly lets processes look for work once a minute, so that days of fake time pass quickly.
func slowly(c *webhook.Config) { c.PollInterval = time.Minute }

// failsAt answers 500 for an endpoint, and 204 for the others.
func failsAt(endpoint string) func(context.Context, *webhook.Request) (*webhook.Response, error) {
	return func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
		if req.Endpoint.ID == endpoint {
			return response(500), nil
		}
		return response(204), nil
	}
}

// emitEvery emits an event once in a while, alternately through the processes.
func (f *fleet) emitEvery(every time.Duration, until time.Time) {
	for n := 0; time.Now().Before(until); n++ {
		f.rigs[n%len(f.rigs)].emit(fmt.Sprint("e", time.Now().UnixNano()))
		pass(every)
	}
}

// told returns the operational events of a type that an endpoint got.
func (f *fleet) told(typ, endpoint string) (found []map[string]any) {
	f.t.Helper()
	sent, _ := f.to(endpoint, time.Time{})
	for _, s := range sent {
		if s.event.Type != typ {
			continue
		}
		var data map[string]any
		require.NoError(f.t, json.Unmarshal(s.event.Data.(json.RawMessage), &data))
		found = append(found, data)
	}
	return found
}

func TestAnEndpointThatIsDownForDaysIsDisabledStepByStep(t *testing.T) {
	onlyWithoutRaceDetector(t)
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, slowly)
		f.answers(failsAt("bad"))
		r := f.rigs[0]
		r.endpoint("bad")
		r.endpoint("star")
		r.endpoint("watch", named("webhook.endpoint.*"))
		r.endpoint("self", named("webhook.*", "a.b"))
		_, err := r.Tenant("other").CreateEndpoint(t.Context(), webhook.Endpoint{
			ID: "stranger", URL: "https://stranger.example/", Events: []string{"webhook.endpoint.*", "*"},
		})
		require.NoError(t, err)
		began := time.Now()
		f.emitEvery(time.Hour, began.Add(6*day))

		e := f.get("bad")
		assert.Equal(t, webhook.EndpointDisabled, e.State)
		assert.Equal(t, webhook.ReasonFailing, e.Reason)
		for typ, after := range map[string]time.Duration{typeFailing: time.Hour, typeDisabling: 4 * day, typeDisabled: 5 * day} {
			notices := f.noticed(typ, "bad")
			require.Len(t, notices, 1, "%s, once over both processes", typ)
			late := notices[0].Time.Sub(began) - after
			assert.GreaterOrEqual(t, late, time.Duration(0), typ)
			assert.Less(t, late, 3*time.Hour, typ)
			for _, watcher := range []string{"watch", "self"} {
				require.Len(t, f.told(typ, watcher), 1, typ)
				data := f.told(typ, watcher)[0]
				assert.Equal(t, "bad", data["endpoint_id"])
				assert.Equal(t, "https://bad.example", data["origin"])
			}
			for _, nobody := range []string{"star", "bad", "stranger"} {
				assert.Empty(t, f.told(typ, nobody), nobody)
			}
		}
		assert.Equal(t, webhook.HealthDisabling, f.noticed(typeDisabled, "bad")[0].Health.Status)
		assert.Equal(t, "failing", f.told(typeDisabled, "watch")[0]["reason"])
		canceled, err := r.Tenant(acme).Deliveries(t.Context(), webhook.Query{EndpointID: "bad", State: webhook.DeliveryCanceled, Limit: 1000})
		require.NoError(t, err)
		require.NotEmpty(t, canceled.Items)
		assert.Equal(t, webhook.ReasonFailing, canceled.Items[0].Reason)
		sent, _ := f.to("bad", time.Time{})
		assert.Less(t, len(sent), 200, "about one probe an hour")

		e.State, e.Reason = webhook.EndpointActive, ""
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, webhook.Health{}, f.health("bad"), "enabled by an edit, it begins anew")
	})
}

func TestAnEndpointThatAnswersAgainHasRecovered(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, slowly)
		f.answers(failsAt("bad"))
		f.rigs[0].endpoint("bad")
		f.rigs[0].endpoint("watch", named("webhook.endpoint.*"))
		f.emitEvery(10*time.Minute, time.Now().Add(3*time.Hour))
		require.Equal(t, webhook.HealthFailing, f.health("bad").Status)
		require.Len(t, f.noticed(typeFailing, "bad"), 1)
		f.answers(answer(204))
		pass(90 * time.Minute)
		h := f.health("bad")
		assert.Empty(t, h.Status)
		assert.False(t, h.Circuit)
		require.Len(t, f.noticed(typeRecovered, "bad"), 1)
		require.Len(t, f.told(typeRecovered, "watch"), 1)

		f.answers(failsAt("bad")) // and fails again, and recovers again
		f.emitEvery(10*time.Minute, time.Now().Add(3*time.Hour))
		f.answers(answer(204))
		pass(90 * time.Minute)
		assert.Len(t, f.noticed(typeFailing, "bad"), 2)
		assert.Len(t, f.noticed(typeRecovered, "bad"), 2)
	})
}

// A flapping endpoint fails for 50 minutes in each hour.
func TestAFlappingEndpointIsNotFailing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, func(c *webhook.Config) { c.PollInterval, c.Health.MaxCircuitWait = 10*time.Second, 3*time.Minute })
		began := time.Now()
		f.answers(func(context.Context, *webhook.Request) (*webhook.Response, error) {
			if time.Since(began)%time.Hour < 50*time.Minute {
				return response(500), nil
			}
			return response(204), nil
		})
		f.rigs[0].endpoint("one")
		f.emitEvery(3*time.Minute, began.Add(12*time.Hour-time.Minute))
		assert.Empty(t, f.notices)
		page, err := f.rigs[0].Tenant(acme).Deliveries(t.Context(), webhook.Query{State: webhook.DeliveryPending})
		require.NoError(t, err)
		assert.Empty(t, page.Items)
	})
}

func TestOneBadEventAloneMakesNoEndpointFailing(t *testing.T) {
	onlyWithoutRaceDetector(t)
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, slowly)
		f.rigs[0].endpoint("one")
		f.rigs[0].emit("poison")
		pass(10 * day)
		assert.Greater(t, f.health("one").Failures, 100)
		assert.Empty(t, f.health("one").Status)
		assert.Equal(t, webhook.EndpointActive, f.get("one").State)
	})
}

func TestEachRuleOfHealthCanBeOff(t *testing.T) {
	onlyWithoutRaceDetector(t)
	for name, c := range map[string]struct {
		health  webhook.HealthPolicy
		failing int
		warned  int
		state   webhook.EndpointState
	}{
		"failing":   {webhook.HealthPolicy{FailingAfter: -1}, 0, 1, webhook.EndpointDisabled},
		"disabling": {webhook.HealthPolicy{DisableAfter: -1}, 1, 0, webhook.EndpointActive},
		"both":      {webhook.HealthPolicy{FailingAfter: -1, DisableAfter: -1}, 0, 0, webhook.EndpointActive},
		"circuits":  {webhook.HealthPolicy{CircuitFailures: -1, CircuitPercent: -1}, 1, 1, webhook.EndpointDisabled},
	} {
		inTime(t, func(t *testing.T) {
			f := newFleet(t, 1, func(config *webhook.Config) {
				slowly(config)
				config.Health = c.health
				config.Profiles = map[string]webhook.Profile{"soon": {Retry: webhook.Schedule(time.Hour, time.Hour)}}
			})
			f.rigs[0].endpoint("one")
			f.emitEvery(time.Hour, time.Now().Add(6*day))
			assert.Len(t, f.noticed(typeFailing, "one"), c.failing, name)
			assert.Len(t, f.noticed(typeDisabling, "one"), c.warned, name)
			assert.Equal(t, c.state, f.get("one").State, name)
			if name == "circuits" {
				sent, _ := f.to("one", time.Time{})
				assert.Greater(t, len(sent), 300, "each delivery is tried three times")
			}
		})
	}
}

func TestAnEndpointThatIsEditedWhileItFails(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		r := f.rigs[0]
		e := r.endpoint("one")
		for i := range 5 {
			r.emit(fmt.Sprint("e", i))
		}
		pass(2 * time.Second)
		before := f.health("one")
		require.True(t, before.Circuit)

		e.Description = "edited"
		e, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, before, e.Health, "another description changes nothing")

		hold := make(chan struct{})
		f.answers(func(context.Context, *webhook.Request) (*webhook.Response, error) {
			<-hold
			return response(500), nil
		})
		pass(7 * time.Second) // the probe is under way
		e.URL = "https://mended.example/hook"
		e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, webhook.Health{}, e.Health)
		close(hold)
		synctest.Wait()
		h := f.health("one")
		assert.False(t, h.Circuit, "the answer of the old URL")
		assert.Less(t, h.Failures, 5)
		f.answers(answer(204))
		pass(10 * time.Second)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("e4", "one").State)
	})
}

func TestFailedDeliveriesAreToldAtMostOnceAnHour(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 2, func(c *webhook.Config) {
			slowly(c)
			c.Health = noCircuits
			c.Profiles = map[string]webhook.Profile{"soon": {Retry: webhook.Schedule()}}
		})
		f.answers(failsAt("bad"))
		f.rigs[0].endpoint("bad", named("a.*"))
		f.rigs[0].endpoint("watch", named(typeGivenUp))
		f.emitEvery(10*time.Minute, time.Now().Add(2*time.Hour+time.Minute))
		pass(time.Minute)
		notices := f.noticed(typeGivenUp, "bad")
		require.Len(t, notices, 13)
		silent := 0
		for _, n := range notices {
			assert.Equal(t, webhook.ReasonExhausted, n.Reason)
			assert.Equal(t, "a.b", n.EventType)
			assert.Equal(t, 1, n.Attempts)
			if n.Silent {
				silent++
			}
		}
		assert.Equal(t, 10, silent)
		told := f.told(typeGivenUp, "watch")
		require.Len(t, told, 3)
		assert.NotContains(t, told[0], "withheld")
		assert.InDelta(t, 5, told[1]["withheld"], 0)
		assert.InDelta(t, 5, told[2]["withheld"], 0)
		assert.Equal(t, "exhausted", told[1]["reason"])
		assert.NotEmpty(t, told[1]["event_id"])
	})
}

func TestThereIsNoEventAboutAnOperationalEvent(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 1, func(c *webhook.Config) {
			c.Health = noCircuits
			c.Profiles = map[string]webhook.Profile{"soon": {Retry: webhook.Schedule()}}
		})
		f.rigs[0].endpoint("bad", named("a.*"))
		f.rigs[0].endpoint("watch", named("webhook.*"))
		f.rigs[0].endpoint("second", named("webhook.*"))
		f.rigs[0].emit("e1")
		synctest.Wait()
		assert.Len(t, f.noticed(typeGivenUp, "bad"), 1)
		assert.Len(t, f.told(typeGivenUp, "watch"), 1, "it goes out at once")
		pass(time.Hour)
		assert.Len(t, f.notices, 1)
		sent, _ := f.to("second", time.Time{})
		assert.Len(t, sent, 1)
	})
}

func TestTestSendsChangeNoHealthAndGiveNoNotice(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 1, nil)
		f.answers(answer(429))
		f.rigs[0].endpoint("one")
		for range 9 {
			_, err := f.rigs[0].Tenant(acme).Test(t.Context(), "one")
			require.NoError(t, err)
		}
		assert.Equal(t, webhook.Health{}, f.health("one"))
		assert.Empty(t, f.notices)
	})
}

func TestUnreachableReceiversHaveTheSameHealth(t *testing.T) {
	inTime(t, func(t *testing.T) {
		f := newFleet(t, 1, func(c *webhook.Config) { c.Health.CircuitJitter = -1 })
		f.answers(func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
			how := unreachable[req.Endpoint.ID]
			pass(how.after)
			return nil, fmt.Errorf("%w: 10.0.0.1", how.class)
		})
		for id := range unreachable {
			f.rigs[0].endpoint(id, func(e *webhook.Endpoint) { e.MaxInFlight = 1 })
		}
		f.rigs[0].emit("e1")
		f.rigs[0].emit("e2")
		pass(3 * time.Hour)
		var seen []webhook.Health
		for id := range unreachable {
			h := f.health(id)
			assert.Equal(t, unreachable[id].class, h.LastClass, "for operators")
			seen = append(seen, webhook.Health{Status: h.Status, Holds: h.Holds, Circuit: h.Circuit})
			wait := h.BlockedUntil.Sub(h.LastFailureAt)
			assert.Equal(t, time.Hour, wait, "the attempt's duration does not show in it")
		}
		assert.Equal(t, webhook.HealthFailing, seen[0].Status)
		assert.Len(t, slices.Compact(seen), 1, "%+v", seen)
	})
}
