package otelwebhook

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gowebhook/webhook"
)

func TestAttemptsAreCountedByOutcomeAndError(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *Config) {
			once := webhook.Profile{Retry: func(o webhook.Outcome, _ float64) (time.Duration, bool) { return time.Second, o.Failures == 0 }}
			c.Profiles, c.Profile = map[string]webhook.Profile{"once": once}, "once"
		})
		r.net.answer = func(req *http.Request) (*http.Response, error) {
			switch req.URL.Hostname() {
			case "gone.example":
				return response(http.StatusGone), nil
			case "busy.example":
				return response(http.StatusServiceUnavailable), nil
			case "strange.example":
				return response(777), nil
			case "closed.example":
				return nil, webhook.ClassRefused
			}
			return response(http.StatusOK), nil
		}
		for _, id := range []string{"fine", "gone", "busy", "strange", "closed"} {
			r.endpoint(id)
		}
		r.run()
		r.emit("evt")
		pass(time.Minute)
		synctest.Wait()
		assert.Equal(t, map[string]float64{
			"success":           1,
			"410 retry":         1, // not believed the first time
			"410 disabled":      1,
			"503 retry":         1,
			"503 failed":        1,
			"http_status retry": 1, "http_status failed": 1,
			"refused retry": 1, "refused failed": 1,
		}, r.values("webhook.attempts"))
	})
}

func TestTestSendsCountInNoMetric(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		_, err := r.Tenant(acme).Test(t.Context(), "one")
		require.NoError(t, err)
		assert.Empty(t, r.values("webhook.attempts"))
		assert.Empty(t, r.values("webhook.delivery.duration"))
	})
}

// sumOf returns the sum of the histogram with no attributes.
func (r *rig) sumOf(name string) float64 {
	r.t.Helper()
	data, ok := r.collect()[name].Data.(metricdata.Histogram[float64])
	require.True(r.t, ok)
	require.Len(r.t, data.DataPoints, 1)
	return data.DataPoints[0].Sum
}

func TestTheDurationOfADeliveryLastsFromItsEmissionToItsSuccess(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		var status atomic.Int32
		status.Store(500)
		r.net.answer = func(*http.Request) (*http.Response, error) {
			pass(250 * time.Millisecond)
			return response(int(status.Load())), nil
		}
		r.endpoint("one")
		r.run()
		emitted := time.Now()
		r.emit("evt")
		pass(5 * time.Second)
		status.Store(204)
		pass(time.Minute)
		synctest.Wait()
		page, err := r.Tenant(acme).Attempts(t.Context(), webhook.Query{EventID: "evt"})
		require.NoError(t, err)
		last := page.Items[0]
		require.Greater(t, last.Number, 1)
		want := last.StartedAt.Add(last.Duration).Sub(emitted)
		assert.InDelta(t, want.Seconds(), r.sumOf("webhook.delivery.duration"), 0.001)
		assert.Equal(t, map[string]float64{"": 1}, r.values("webhook.delivery.duration"))
	})
}

func TestTheDurationOfADelayedDeliveryBeginsWhenItIsDue(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.run()
		e := event("evt")
		e.NotBefore = time.Now().Add(time.Hour)
		_, err := r.Emit(t.Context(), e)
		require.NoError(t, err)
		pass(2 * time.Hour)
		synctest.Wait()
		assert.Less(t, r.sumOf("webhook.delivery.duration"), 2.0)
	})
}

func TestAnExemplarLeadsFromADurationToItsTrace(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.run()
		r.emit("evt")
		synctest.Wait()
		data := r.collect()["webhook.delivery.duration"].Data.(metricdata.Histogram[float64])
		require.Len(t, data.DataPoints[0].Exemplars, 1)
		id := r.ended("webhook.attempt")[0].SpanContext().TraceID()
		assert.Equal(t, id[:], data.DataPoints[0].Exemplars[0].TraceID)
	})
}

func TestCallsOfTheStoreAreTimedByOperation(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.run()
		r.emit("evt")
		pass(90 * time.Second)
		synctest.Wait()
		calls := r.values("webhook.store.duration")
		for _, operation := range []string{"publish", "match", "claim", "settle", "prune"} {
			assert.Positive(t, calls[operation], operation)
		}
		assert.Len(t, calls, 5, "no call failed")
	})
}

func TestAFailedCallOfTheStoreHasAnErrorType(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		for err, want := range map[error]string{
			errStore: "_OTHER", context.DeadlineExceeded: "timeout", context.Canceled: "canceled", webhook.ErrFull: "full",
		} {
			r.telemetry.instruments.recordCall(&webhook.StoreCall{Operation: "publish", Err: err})
			assert.InDelta(t, 1, r.values("webhook.store.duration")[want+" publish"], 0, want)
		}
	})
}

func TestResultsThatTheStoreRefusesArePending(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		var refuses atomic.Bool
		refuses.Store(true)
		r.store.settle = func(ctx context.Context, now time.Time, items []webhook.Settlement) (webhook.Settled, error) {
			if refuses.Load() {
				return webhook.Settled{}, errStore
			}
			return r.store.Store.Settle(ctx, now, items)
		}
		r.endpoint("one")
		r.run()
		synctest.Wait()
		assert.Equal(t, map[string]float64{"": 0}, r.values("webhook.settle.pending"))
		r.emit("evt")
		pass(time.Second)
		assert.Equal(t, map[string]float64{"": 1}, r.values("webhook.settle.pending"))
		refuses.Store(false)
		pass(10 * time.Second)
		assert.Equal(t, map[string]float64{"": 0}, r.values("webhook.settle.pending"))
	})
}

func TestLostLeasesAreCounted(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.settle = func(context.Context, time.Time, []webhook.Settlement) (webhook.Settled, error) {
			return webhook.Settled{Lost: []int{0}}, nil
		}
		assert.Equal(t, map[string]float64{"": 0}, r.values("webhook.lease.lost"), "before the first one")
		r.endpoint("one")
		r.run()
		r.emit("evt")
		synctest.Wait()
		assert.Equal(t, map[string]float64{"": 1}, r.values("webhook.lease.lost"))
	})
}

func TestIdsAreLabelsOnlyIfAskedFor(t *testing.T) {
	for label, want := range map[Label]string{NoLabel: "", LabelTenant: "acme", LabelEndpoint: "one acme"} {
		t.Run(string(label), func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, func(_ *webhook.Config, c *Config) { c.Label = label })
				r.endpoint("one")
				r.run()
				r.emit("evt")
				synctest.Wait()
				assert.Equal(t, map[string]float64{want: 1}, r.values("webhook.delivery.duration"))
				attempts := "success"
				if want != "" {
					attempts += " " + want
				}
				assert.Equal(t, map[string]float64{attempts: 1}, r.values("webhook.attempts"))
			})
		})
	}
}

// documented are the metrics as the issue and docs/observability.md name them.
var documented = map[string]string{
	"webhook.queue.oldest_due_age": "s",
	"webhook.queue.depth":          "{delivery}",
	"webhook.endpoints":            "{endpoint}",
	"webhook.attempts":             "{attempt}",
	"webhook.delivery.duration":    "s",
	"webhook.store.duration":       "s",
	"webhook.lease.lost":           "{lease}",
	"webhook.settle.pending":       "{result}",
}

func TestEveryMetricHasItsNameUnitAndDescription(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.run()
		r.emit("evt")
		pass(time.Second)
		found := make(map[string]string)
		for name, m := range r.collect() {
			found[name] = m.Unit
			assert.Regexp(t, `^[A-Z].*\.$`, m.Description, name)
		}
		assert.Equal(t, documented, found)
	})
}
