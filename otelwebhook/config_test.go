package otelwebhook

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestValuesOutOfRangeAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config Config
		want   string // "" if it is accepted
	}{
		{"zero", Config{}, ""},
		{"shortest interval", Config{StatsInterval: time.Second}, ""},
		{"longest interval", Config{StatsInterval: time.Hour}, ""},
		{"no interval", Config{StatsInterval: -time.Second}, ""},
		{"interval too short", Config{StatsInterval: time.Second - 1}, "otelwebhook: observe: otelwebhook.Config.StatsInterval is 999.999999ms; use 1s to 1h0m0s"},
		{"interval too long", Config{StatsInterval: time.Hour + 1}, "otelwebhook: observe: otelwebhook.Config.StatsInterval is 1h0m0.000000001s; use 1s to 1h0m0s"},
		{"shortest timeout", Config{StatsTimeout: 10 * time.Millisecond}, ""},
		{"longest timeout", Config{StatsTimeout: time.Minute}, ""},
		{"timeout too short", Config{StatsTimeout: time.Millisecond}, "otelwebhook: observe: otelwebhook.Config.StatsTimeout is 1ms; use 10ms to 1m0s"},
		{"negative timeout", Config{StatsTimeout: -1}, "otelwebhook: observe: otelwebhook.Config.StatsTimeout is -1ns; use 10ms to 1m0s"},
		{"timeout too long", Config{StatsTimeout: time.Minute + 1}, "otelwebhook: observe: otelwebhook.Config.StatsTimeout is 1m0.000000001s; use 10ms to 1m0s"},
		{"label", Config{Label: "event"}, `otelwebhook: observe: otelwebhook.Config.Label is unknown: "event"; use NoLabel, LabelTenant or LabelEndpoint`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := Observe(webhook.Config{}, tc.config)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tc.want)
			require.ErrorIs(t, err, webhook.ErrInvalid)
		})
	}
}

// The application's own functions are called too, and their contexts are passed on.
func TestFunctionsOfTheApplicationAreCalledToo(t *testing.T) {
	inTime(t, func(t *testing.T) {
		type key struct{}
		var mu sync.Mutex
		called := make(map[string]int)
		call := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			called[name]++
		}
		r := newRig(t, func(c *webhook.Config, own *Config) {
			tracer := own.TracerProvider.Tracer("application")
			c.Observer = webhook.Observer{
				BeginEmit: func(ctx context.Context, _ []webhook.Event) (context.Context, func([]webhook.Receipt, error)) {
					call("BeginEmit")
					ctx, outer := tracer.Start(ctx, "outer")
					return ctx, func([]webhook.Receipt, error) {
						call("end of BeginEmit")
						outer.End()
					}
				},
				BeginAttempt: func(ctx context.Context, _ *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
					call("BeginAttempt")
					return context.WithValue(ctx, key{}, "own"), func(webhook.Attempt, webhook.Verdict) { call("end of BeginAttempt") }
				},
				Attempt:   func(webhook.Attempt, webhook.Verdict) { call("Attempt") },
				Store:     func(c webhook.StoreCall) { call("Store " + c.Operation) },
				LeaseLost: func(int) { call("LeaseLost") },
				Disabled:  func(webhook.EndpointKey, webhook.Reason) { call("Disabled") },
			}
			net := c.Network.Wrap(nil)
			c.Network.Wrap = func(http.RoundTripper) http.RoundTripper {
				call("Wrap")
				return net
			}
		})
		r.endpoint("one")
		r.net.answer = func(req *http.Request) (*http.Response, error) {
			assert.Equal(t, "own", req.Context().Value(key{}))
			return response(http.StatusGone), nil
		}
		r.run()
		r.emit("evt")
		pass(5 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{
			"Wrap", "BeginEmit", "end of BeginEmit", "BeginAttempt", "end of BeginAttempt", "Attempt",
			"Store publish", "Store settle", "Disabled",
		} {
			assert.Positive(t, called[name], name)
		}
		assert.Len(t, r.ended("webhook.attempt"), called["BeginAttempt"])
		assert.Equal(t, r.ended("outer")[0].SpanContext().SpanID(), r.ended("webhook.emit")[0].Parent().SpanID())
	})
}

func TestAWrapThatReturnsNilIsIgnored(t *testing.T) {
	config := webhook.Config{Network: webhook.Network{Wrap: func(http.RoundTripper) http.RoundTripper { return nil }}}
	observed, _, err := Observe(config, Config{})
	require.NoError(t, err)
	base := &fakeNetwork{}
	assert.Same(t, base, observed.Network.Wrap(base).(*roundTripper).base)
}
