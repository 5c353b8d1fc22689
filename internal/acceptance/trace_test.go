package acceptance

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// The process that sends is another one than the process that emits, so the trace goes through
// the store.
func TestTheTraceOfAnEventReachesTheProcessThatSendsAndNoReceiver(t *testing.T) {
	for name, emit := range map[string]func(r *rig, e webhook.Event) error{
		"Emit": func(r *rig, e webhook.Event) error {
			_, err := r.Emit(r.t.Context(), e)
			return err
		},
		"EmitBatch": func(r *rig, e webhook.Event) error {
			_, err := r.EmitBatch(r.t.Context(), []webhook.Event{e})
			return err
		},
		"EmitTx": func(r *rig, e webhook.Event) error {
			_, err := r.EmitTx(r.t.Context(), r.store, e)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				emitter := newRig(t, nil)
				emitter.endpoint("one")
				sent := &webhooktest.Transport{}
				var begun *webhook.Request
				sender, err := webhook.New(emitter.store, webhook.Config{
					Transport: sent, Logger: quiet,
					Observer: webhook.Observer{BeginAttempt: func(ctx context.Context, r *webhook.Request) (context.Context, func(webhook.Attempt, webhook.Verdict)) {
						begun = r
						return ctx, nil
					}},
				})
				require.NoError(t, err)

				require.NoError(t, emit(emitter, webhook.Event{Tenant: acme, Type: "a.b", Trace: "00-aa-bb-01", Header: map[string]string{"X-Own": "1"}}))
				require.NoError(t, webhooktest.Drain(t.Context(), sender))
				synctest.Wait()
				require.Len(t, sent.Sent(), 1)
				req := sent.Sent()[0]
				assert.Equal(t, "00-aa-bb-01", begun.Message.Event.Trace)
				assert.Equal(t, map[string]string{"X-Own": "1"}, req.Message.Event.Header)
				assert.Equal(t, "1", req.Header.Get("X-Own"))
				for name, values := range req.Header {
					assert.NotContains(t, strings.ToLower(name+strings.Join(values, "")), "trace")
					assert.NotContains(t, values, "00-aa-bb-01")
				}
				assert.NotContains(t, string(req.Body), "00-aa-bb-01")

				page, err := sender.Tenant(acme).Events(t.Context(), webhook.Query{})
				require.NoError(t, err)
				assert.Equal(t, "00-aa-bb-01", page.Items[0].Trace)
				assert.Equal(t, map[string]string{"X-Own": ""}, page.Items[0].Header)
			})
		})
	}
}

func TestAnObserverMayGiveEventsTheirTrace(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Observer.BeginEmit = func(ctx context.Context, events []webhook.Event) (context.Context, func([]webhook.Receipt, error)) {
				for i := range events {
					events[i].Trace = "of the observer"
				}
				return ctx, nil
			}
		})
		r.endpoint("one")
		r.run()
		r.emit("e1")
		mine := []webhook.Event{{Tenant: acme, Type: "a.b", ID: "e2"}}
		_, err := r.EmitBatch(t.Context(), mine)
		require.NoError(t, err)
		mine[0].ID = "e3"
		_, err = r.EmitTx(t.Context(), r.store, mine...)
		require.NoError(t, err)
		r.Wake()
		synctest.Wait()
		require.Len(t, r.net.Sent(), 3)
		for _, req := range r.net.Sent() {
			assert.Equal(t, "of the observer", req.Message.Event.Trace)
		}
		assert.Empty(t, mine[0].Trace, "the caller's events stay as they are")
	})
}

func TestATraceIsBounded(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		for length, ok := range map[int]bool{0: true, 511: true, 512: true, 513: false} {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b", Trace: strings.Repeat("t", length)})
			if ok {
				require.NoError(t, err)
				continue
			}
			require.EqualError(t, err, "webhook: emit: Event.Trace has 513 bytes, more than 512; shorten it")
		}
		_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b", Trace: "a\nb"})
		require.EqualError(t, err, "webhook: emit: Event.Trace has a control character at byte 1; remove it")
	})
}
