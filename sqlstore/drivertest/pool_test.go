package drivertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// tooLong is when somebody who waits for an answer has given up: 5 s, and one for a busy machine.
func tooLong() time.Duration {
	if raceDetector {
		return 15 * time.Second
	}
	return 6 * time.Second
}

func TestEmitInsideATransactionThatHoldsTheOnlyConnectionSaysWhatToDo(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		h.db.SetMaxOpenConns(1)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		tx := beginSQL(t, h)
		h.order(t, tx)

		began := time.Now()
		receipt, err := api.Emit(t.Context(), acme.event("", "1"))
		assert.Less(t, time.Since(began), tooLong())
		require.ErrorContains(t, err, "EmitTx")
		assert.ErrorContains(t, err, "SetMaxOpenConns")
		assert.NotEmpty(t, receipt.EventID)

		_, err = api.EmitTx(t.Context(), h.store.Tx(tx), acme.event("", "2"))
		require.NoError(t, err)
		require.NoError(t, tx.commit())
		again := acme.event(receipt.EventID, "1")
		receipt, err = api.Emit(t.Context(), again)
		require.NoError(t, err)
		assert.Equal(t, webhook.Receipt{EventID: again.ID, Deliveries: 1}, receipt)
	})
}

func TestEmitOfAnIDThatAnOpenTransactionHoldsSaysWhatToDo(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		begin := beginSQL
		if d.name == sqlite.name {
			begin = beginOther // it holds the whole file
		}
		tx := begin(t, h)
		_, err := api.EmitTx(t.Context(), h.store.Tx(tx), acme.event("evt", "1"))
		require.NoError(t, err)

		began := time.Now()
		_, err = api.Emit(t.Context(), acme.event("evt", "1"))
		assert.Less(t, time.Since(began), 2*tooLong()) // SQLite waits 5 s for the file
		require.ErrorContains(t, err, "EmitTx")

		require.NoError(t, tx.rollback())
		receipt, err := api.Emit(t.Context(), acme.event("evt", "2"))
		require.NoError(t, err)
		assert.Equal(t, webhook.Receipt{EventID: "evt", Deliveries: 1}, receipt)
	})
}

func TestHangingReceiversHoldNoConnectionOfThePool(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		const hanging, events, rounds = 50, 4, 20
		h := newHost(t, d)
		h.db.SetMaxOpenConns(1)
		hangs, answers := make(chan string, hanging*events), make(chan string, rounds)
		release := make(chan struct{})
		config := webhooktest.Config()
		config.PollInterval = soon
		config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
		config.Transport = &webhooktest.Transport{Answer: func(ctx context.Context, r *webhook.Request) (*webhook.Response, error) {
			if !strings.Contains(r.URL, "hangs") {
				answers <- r.URL
				return &webhook.Response{StatusCode: 204}, nil
			}
			select {
			case hangs <- r.URL:
			default:
			}
			select {
			case <-release:
				return &webhook.Response{StatusCode: 204}, nil
			case <-ctx.Done():
				return nil, errors.Join(webhook.ClassTimeout, ctx.Err())
			}
		}}
		dispatcher, err := webhook.New(h.store, config)
		require.NoError(t, err)
		run(t, dispatcher)
		t.Cleanup(func() { close(release) }) // so that Run need not wait for them
		for n := range hanging {
			_, err := dispatcher.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{
				URL: fmt.Sprintf("https://hangs%d.example", n), Events: []string{"hang"},
			})
			require.NoError(t, err)
		}
		_, err = dispatcher.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://answers.example", Events: []string{"order"}})
		require.NoError(t, err)

		for range events {
			_, err := dispatcher.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: "hang"})
			require.NoError(t, err)
		}
		for range hanging {
			awaited(t, hangs)
		}
		var emitted, delivered []time.Duration
		for n := range rounds {
			event := webhook.Event{Tenant: "acme", Type: "order", Data: n}
			began := time.Now()
			if n%2 == 0 {
				_, err = dispatcher.Emit(t.Context(), event)
			} else {
				_, err = dispatcher.EmitTx(t.Context(), h.store, event)
				dispatcher.Wake()
			}
			require.NoError(t, err)
			emitted = append(emitted, time.Since(began))
			awaited(t, answers)
			delivered = append(delivered, time.Since(began))
		}
		assert.Less(t, logMedian(t, "Emit", emitted), 2*time.Second)
		assert.Less(t, logMedian(t, "delivered", delivered), 5*time.Second)
	})
}
