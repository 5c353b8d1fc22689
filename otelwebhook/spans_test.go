package otelwebhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/gowebhook/webhook"
)

func TestAnAttemptHasASpanAroundItsRequest(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one", func(e *webhook.Endpoint) { e.URL = "https://one.example:8443/hook" })
		r.run()
		r.emit("evt")
		synctest.Wait()

		attempts, requests := r.ended("webhook.attempt"), r.ended("POST")
		require.Len(t, attempts, 1)
		require.Len(t, requests, 1)
		attempt, request := attempts[0], requests[0]
		assert.Equal(t, trace.SpanKindConsumer, attempt.SpanKind())
		assert.False(t, attempt.Parent().IsValid(), "an attempt begins a trace of its own")
		assert.Equal(t, map[string]string{
			"webhook.tenant.id": "acme", "webhook.endpoint.id": "one", "webhook.event.id": "evt", "webhook.event.type": "member.joined",
			"webhook.attempt.number": "1", "outcome": "success", "http.response.status_code": "204",
		}, attributes(attempt))
		assert.Equal(t, codes.Unset, attempt.Status().Code)

		assert.Equal(t, trace.SpanKindClient, request.SpanKind())
		assert.Equal(t, attempt.SpanContext().SpanID(), request.Parent().SpanID())
		assert.Equal(t, attempt.SpanContext().TraceID(), request.SpanContext().TraceID())
		assert.Equal(t, map[string]string{
			"http.request.method": "POST", "server.address": "one.example", "server.port": "8443",
			"url.full": "https://one.example:8443/REDACTED", "http.response.status_code": "204", "network.protocol.version": "1.1",
		}, attributes(request))
		assert.Equal(t, codes.Unset, request.Status().Code)
	})
}

func TestAFailedAttemptIsAnErrorAndSaysWhatFollows(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answer  func(*http.Request) (*http.Response, error)
		outcome string
		attempt string // error.type
		request string // error.type
	}{
		{"a status", answers(503), "retry", "503", "503"},
		{"a status without a name", answers(599), "retry", "http_status", "599"},
		{"a redirect", answers(302), "retry", "302", ""},
		{"a reset", func(*http.Request) (*http.Response, error) { return nil, webhook.ClassReset }, "retry", "reset", "reset"},
		{"another error", func(*http.Request) (*http.Response, error) { return nil, errors.New("odd") }, "retry", "protocol", "*errors.errorString"},
		{"a timeout", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, "retry", "timeout", "timeout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config, _ *Config) { c.RequestTimeout = time.Second })
				r.net.answer = tc.answer
				r.endpoint("one")
				r.run()
				r.emit("evt")
				pass(2 * time.Second)
				synctest.Wait()
				attempt, request := r.ended("webhook.attempt")[0], r.ended("POST")[0]
				assert.Equal(t, tc.outcome, attributes(attempt)["outcome"])
				assert.Equal(t, tc.attempt, attributes(attempt)["error.type"])
				assert.Equal(t, codes.Error, attempt.Status().Code)
				assert.NotEmpty(t, attempt.Status().Description)
				assert.Equal(t, tc.request, attributes(request)["error.type"])
				assert.Equal(t, tc.request != "", request.Status().Code == codes.Error)
				assert.Empty(t, request.Status().Description)
			})
		})
	}
}

func TestRetriesHaveTracesOfTheirOwnAndAreNumbered(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.net.answer = answers(500, 500, 204)
		r.endpoint("one")
		r.run()
		r.emit("evt")
		pass(5 * time.Minute)
		synctest.Wait()
		attempts, requests := r.ended("webhook.attempt"), r.ended("POST")
		require.Len(t, attempts, 3)
		traces := make(map[trace.TraceID]bool)
		for i, span := range attempts {
			traces[span.SpanContext().TraceID()] = true
			assert.Equal(t, fmt.Sprint(i+1), attributes(span)["webhook.attempt.number"])
		}
		assert.Len(t, traces, 3)
		assert.NotContains(t, attributes(requests[0]), "http.request.resend_count")
		assert.Equal(t, "2", attributes(requests[2])["http.request.resend_count"])
	})
}

func TestASpanOfAnEmissionIsAChildOfTheCallers(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		ctx, caller := r.telemetry.tracer.Start(t.Context(), "caller")
		_, err := r.Emit(ctx, event("e1"))
		require.NoError(t, err)
		_, err = r.EmitBatch(ctx, []webhook.Event{event("e2"), event("e3")})
		require.NoError(t, err)
		_, err = r.EmitTx(ctx, r.store, event("e4"))
		require.NoError(t, err)
		other := event("e1")
		other.Data = 1
		_, err = r.Emit(ctx, other)
		require.ErrorIs(t, err, webhook.ErrConflict)
		_, err = r.Emit(ctx, webhook.Event{Tenant: acme})
		require.Error(t, err)
		caller.End()

		spans := r.ended("webhook.emit")
		require.Len(t, spans, 5)
		for _, span := range spans {
			assert.Equal(t, caller.SpanContext().SpanID(), span.Parent().SpanID())
			assert.Equal(t, trace.SpanKindProducer, span.SpanKind())
		}
		same := map[string]string{"webhook.tenant.id": "acme", "webhook.event.type": "member.joined"}
		with := func(more map[string]string) map[string]string {
			for k, v := range same {
				if _, ok := more[k]; !ok {
					more[k] = v
				}
			}
			return more
		}
		assert.Equal(t, with(map[string]string{
			"webhook.events": "1", "webhook.event.id": "e1", "webhook.duplicate": "false", "webhook.deliveries": "1",
		}), attributes(spans[0]))
		assert.Equal(t, with(map[string]string{"webhook.events": "2", "webhook.deliveries": "2"}), attributes(spans[1]))
		assert.Equal(t, with(map[string]string{"webhook.events": "1", "webhook.event.id": "e4", "webhook.duplicate": "false"}), attributes(spans[2]),
			"deliveries are made after the commit")
		assert.Equal(t, "conflict", attributes(spans[3])["error.type"])
		assert.Equal(t, codes.Error, spans[3].Status().Code)
		assert.Equal(t, "invalid", attributes(spans[4])["error.type"])
	})
}

func TestASpanOfABatchHasOnlyValuesThatAllEventsShare(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		left, joined := event("e1"), event("e2")
		left.Type = "member.left"
		elsewhere := event("e3")
		elsewhere.Tenant = "beta"
		for _, events := range [][]webhook.Event{{left, joined}, {joined, elsewhere}, nil} {
			_, err := r.EmitBatch(t.Context(), events)
			require.NoError(t, err)
		}
		spans := r.ended("webhook.emit")
		require.Len(t, spans, 3)
		for i, want := range []struct{ tenant, typ string }{{"acme", ""}, {"", "member.joined"}, {"", ""}} {
			got := attributes(spans[i])
			assert.Equal(t, want.tenant, got["webhook.tenant.id"])
			assert.Equal(t, want.typ, got["webhook.event.type"])
		}
	})
}

func TestATestSendIsAChildOfItsCaller(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		ctx, caller := r.telemetry.tracer.Start(t.Context(), "caller")
		_, err := r.Tenant(acme).Test(ctx, "one")
		require.NoError(t, err)
		attempt := r.ended("webhook.attempt")[0]
		assert.Equal(t, caller.SpanContext().SpanID(), attempt.Parent().SpanID())
		assert.Equal(t, "true", attributes(attempt)["webhook.test"])
	})
}

func TestACutRequestIsNoError(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *Config) { c.DrainTimeout = time.Second })
		r.net.answer = func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		r.endpoint("one")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		r.emit("evt")
		synctest.Wait()
		cancel()
		require.Error(t, <-ended)
		attempt := r.ended("webhook.attempt")[0]
		assert.Equal(t, "cut", attributes(attempt)["outcome"])
		assert.Equal(t, codes.Unset, attempt.Status().Code)
		assert.Empty(t, r.values("webhook.attempts"))
	})
}

// The spans of an endpoint whose URL and headers are secret have none of it.
func TestSpansHaveNoSecrets(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, c *Config) { c.SendTraceparent = true })
		r.net.answer = func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("Post %q with %v: canary-error", r.URL, r.Header)
		}
		r.endpoint("one", func(e *webhook.Endpoint) {
			e.URL = "https://one.example/canary-path?key=canary-query"
			e.Header = map[string]webhook.Secret{"Authorization": "canary-header"}
			e.Secret = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
		})
		r.run()
		_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b", Data: "canary-data", Header: map[string]string{"X-Own": "canary-own"}})
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, r.ended("POST"), 1)
		for _, span := range r.spans.Ended() {
			text := fmt.Sprint(span.Name(), span.Attributes(), span.Status(), span.Events(), span.Links())
			assert.NotContains(t, text, "canary")
			assert.NotContains(t, text, "Y2FuYXJ5")
		}
	})
}

func TestReceiversGetATraceparentOnlyIfAsked(t *testing.T) {
	own := func(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"Traceparent": "of the endpoint"} }
	for _, tc := range []struct {
		name   string
		send   bool
		change func(*webhook.Endpoint)
		want   func(request sdktrace.ReadOnlySpan) string
	}{
		{"by default not", false, func(*webhook.Endpoint) {}, func(sdktrace.ReadOnlySpan) string { return "" }},
		{"asked for", true, func(*webhook.Endpoint) {}, func(s sdktrace.ReadOnlySpan) string {
			return "00-" + s.SpanContext().TraceID().String() + "-" + s.SpanContext().SpanID().String() + "-01"
		}},
		{"the endpoint's own wins", true, own, func(sdktrace.ReadOnlySpan) string { return "of the endpoint" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				var given http.Header
				r := newRig(t, func(config *webhook.Config, c *Config) {
					c.SendTraceparent = tc.send
					config.Observer.BeginAttempt = func(ctx context.Context, r *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
						given = r.Header
						return ctx, nil
					}
				})
				r.endpoint("one", tc.change)
				r.run()
				r.emit("evt")
				synctest.Wait()
				assert.Equal(t, tc.want(r.ended("POST")[0]), r.net.sent[0].Header.Get("Traceparent"))
				if header := given.Get("Traceparent"); header != "" {
					assert.Equal(t, "of the endpoint", header, "the header of the webhook.Request was changed")
				}
			})
		})
	}
}

// The link goes through the Store, to another process.
func TestEveryAttemptLinksToTheEmissionOfItsEvent(t *testing.T) {
	inTime(t, func(t *testing.T) {
		emitter := newRig(t, nil)
		emitter.endpoint("one")
		emitter.emit("e1")
		_, err := emitter.EmitTx(t.Context(), emitter.store, event("e2"))
		require.NoError(t, err)

		sender := newRig(t, nil)
		sender.store.Store = emitter.store.Store
		sender.net.answer = answers(500, 500, 204)
		sender.run()
		pass(time.Minute)
		synctest.Wait()
		emissions := make(map[string]trace.SpanContext)
		for _, span := range emitter.ended("webhook.emit") {
			emissions[attributes(span)["webhook.event.id"]] = span.SpanContext()
		}
		attempts := sender.ended("webhook.attempt")
		require.Len(t, attempts, 4)
		for _, span := range attempts {
			require.Len(t, span.Links(), 1)
			link := span.Links()[0].SpanContext
			assert.True(t, link.IsRemote())
			want := emissions[attributes(span)["webhook.event.id"]]
			assert.Equal(t, want.TraceID(), link.TraceID())
			assert.Equal(t, want.SpanID(), link.SpanID())
		}
	})
}

func TestATraceOfAnotherFormIsKeptAndNotLinked(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		r.run()
		e := event("evt")
		e.Trace = "request 17"
		_, err := r.Emit(t.Context(), e)
		require.NoError(t, err)
		synctest.Wait()
		assert.Empty(t, r.ended("webhook.attempt")[0].Links())
		page, err := r.Tenant(acme).Events(t.Context(), webhook.Query{})
		require.NoError(t, err)
		assert.Equal(t, "request 17", page.Items[0].Trace)
	})
}

func TestWithoutASpanAnEventHasNoTrace(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, c *Config) { c.TracerProvider = noop.NewTracerProvider() })
		r.endpoint("one")
		r.run()
		r.emit("evt")
		synctest.Wait()
		page, err := r.Tenant(acme).Events(t.Context(), webhook.Query{})
		require.NoError(t, err)
		assert.Empty(t, page.Items[0].Trace)
		assert.NotEmpty(t, r.values("webhook.attempts"))
	})
}

func TestASpanOfARequestHasTheVersionOfTheResponse(t *testing.T) {
	for want, r := range map[string]*http.Response{
		"1.0": {ProtoMajor: 1}, "1.1": {ProtoMajor: 1, ProtoMinor: 1}, "2": {ProtoMajor: 2},
	} {
		assert.Equal(t, want, versionOf(r))
	}
}
