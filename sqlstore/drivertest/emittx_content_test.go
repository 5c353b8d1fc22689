package drivertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// awkward has the characters that escaping gets wrong.
const awkward = "it's \\ \"?\" $1 :name %s \u2028 \u00e9\U0001F600 \u0001 --"

func TestWhatIsEmittedInATransactionArrivesAsItWas(t *testing.T) {
	eachWay(t, func(t *testing.T, h *host, begin func(*testing.T) transaction) {
		d := h.worker(t, soon)
		acme := newCustomer(t, d)
		event := webhook.Event{
			Tenant: acme.tenant, Type: "order.placed", ID: "evt:'\"?$1\\", Data: map[string]string{"order": awkward},
			Time:   time.Date(1969, 7, 20, 20, 17, 40, 123456000, time.UTC),
			Header: map[string]string{"X-Awkward": "it's \\ \"?\" $1 :name %s --"},
		}
		tx := begin(t)
		receipts, err := d.EmitTx(t.Context(), h.store.Tx(tx), event)
		require.NoError(t, err)
		assert.Equal(t, []webhook.Receipt{{EventID: event.ID, Deliveries: -1}}, receipts)
		require.NoError(t, tx.commit())

		assert.Equal(t, []string{awkward}, acme.got(1))
		received := acme.Received()[0]
		assert.Equal(t, event.ID, received.ID)
		assert.Equal(t, event.Header["X-Awkward"], received.Header.Get("X-Awkward"))
		assert.Contains(t, string(received.Body), `"timestamp":"1969-07-20T20:17:40.123Z"`)
		page, err := d.Tenant(acme.tenant).Events(t.Context(), webhook.Query{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		assert.Equal(t, event.Time, page.Items[0].Time)

		// The duplicate is known by bytes.
		tx = begin(t)
		receipts, err = d.EmitTx(t.Context(), h.store.Tx(tx), event)
		require.NoError(t, err)
		assert.Equal(t, []webhook.Receipt{{EventID: event.ID, Duplicate: true}}, receipts)
		event.Data = map[string]string{"order": strings.ToUpper(awkward)}
		_, err = d.EmitTx(t.Context(), h.store.Tx(tx), event)
		require.ErrorIs(t, err, webhook.ErrConflict)
		require.NoError(t, tx.commit())
	})
}

func TestEmitTxTakesAThousandEvents(t *testing.T) {
	test := func(t *testing.T, h *host, begin func(*testing.T, *host) transaction) {
		d := h.worker(t, soon)
		acme := newCustomer(t, d)
		var (
			events []webhook.Event
			orders []string
		)
		for i := range 1000 {
			orders = append(orders, fmt.Sprint(i))
			events = append(events, acme.event("", orders[i]))
		}
		tx := begin(t, h)
		receipts, err := d.EmitTx(t.Context(), h.store.Tx(tx), events...)
		require.NoError(t, err)
		require.NoError(t, tx.commit())
		assert.Len(t, receipts, 1000)
		assert.ElementsMatch(t, orders, acme.got(1000))

		events = append(events, acme.event("", "one more"))
		_, err = d.EmitTx(t.Context(), h.store, events...)
		require.ErrorIs(t, err, webhook.ErrInvalid)
		assert.Len(t, acme.stored(), 100, "a page")
	}
	each(t, func(t *testing.T, d database) { test(t, newHost(t, d), beginSQL) })
	t.Run("pgx.Tx", func(t *testing.T) { test(t, newHost(t, postgres), beginPgxPool) })
}

func TestNotBeforeHoldsForEventsOfTransactions(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		dispatcher := h.worker(t, soon)
		acme := newCustomer(t, dispatcher)
		tx := beginSQL(t, h)
		now := time.Now()
		later, past, never := acme.event("later", "later"), acme.event("past", "past"), acme.event("never", "never")
		later.NotBefore, past.NotBefore, never.NotBefore = now.Add(time.Second), now.Add(-time.Hour), now.Add(time.Hour)
		_, err := dispatcher.EmitTx(t.Context(), h.store.Tx(tx), later, never, past)
		require.NoError(t, err)
		require.NoError(t, tx.commit())
		assert.Equal(t, []string{"past", "later"}, acme.got(2))
		arrived := acme.Received()[1].Arrived
		assert.GreaterOrEqual(t, arrived.Sub(now), 900*time.Millisecond, "by the database's clock, which may be another's")
		stats, err := dispatcher.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, stats.Outbox+stats.Waiting)
	})
}

func TestWhoReceivesIsDecidedAfterTheCommit(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		stranger := newCustomer(t, api)
		tx := beginSQL(t, h)
		onChannel := acme.event("channel", "channel")
		onChannel.Channel = "eu"
		_, err := api.EmitTx(t.Context(), h.store.Tx(tx), onChannel, acme.event("plain", "plain"))
		require.NoError(t, err)
		require.NoError(t, tx.commit())
		require.NoError(t, api.Tenant(acme.tenant).DeleteEndpoint(t.Context(), acme.endpoint.ID))
		late, err := api.Tenant(acme.tenant).CreateEndpoint(t.Context(), webhook.Endpoint{
			URL: acme.URL, Secret: acme.Secret, Events: []string{"order.*"}, Channel: "eu",
		})
		require.NoError(t, err)
		run(t, api)
		assert.Equal(t, []string{"channel"}, acme.got(1))
		require.Eventually(t, func() bool { return len(acme.stored()) == 1 }, long, soon)
		assert.Equal(t, []string{"channel"}, acme.stored(), "nobody receives the other")
		assert.Empty(t, stranger.Received())
		page, err := api.Tenant(acme.tenant).Deliveries(t.Context(), webhook.Query{EventID: "channel"})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		assert.Equal(t, late.ID, page.Items[0].EndpointID)
	})
}

func TestEmitTxRefusesBeforeItWritesAnything(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		tx := beginSQL(t, h)
		recorder := &recording{Execer: tx}
		good := acme.event("", "1")
		for what, bad := range map[string]webhook.Event{
			"bytes that are not UTF-8": {Tenant: acme.tenant, Type: "a", Data: []byte("\"\xff\xfe\"")},
			"no JSON":                  {Tenant: acme.tenant, Type: "a", Data: []byte("\x00\x01")},
			"two values":               {Tenant: acme.tenant, Type: "a", Data: []byte(`1 2`)},
			"NUL in the tenant":        {Tenant: "a\x00", Type: "a"},
			"no tenant":                {Type: "a"},
			"a space in the id":        {Tenant: acme.tenant, Type: "a", ID: "a b"},
			"a header of the library":  {Tenant: acme.tenant, Type: "a", Header: map[string]string{"Webhook-Id": "1"}},
			"too much":                 {Tenant: acme.tenant, Type: "a", Data: strings.Repeat("x", 300<<10)},
		} {
			_, err := api.EmitTx(t.Context(), h.store.Tx(recorder), good, bad)
			assert.ErrorIs(t, err, webhook.ErrInvalid, what)
		}
		assert.Empty(t, recorder.statements)
		require.NoError(t, tx.commit())
		assert.Empty(t, acme.stored())
	})
}

func TestEmitTxReturnsWhenItsContextEnds(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		api := h.dispatcher(t, h.store, soon)
		acme := newCustomer(t, api)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		tx := beginSQL(t, h)
		_, err := api.EmitTx(ctx, h.store.Tx(tx), acme.event("", "1"))
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, tx.rollback())
		assert.Empty(t, acme.stored())
	})
}

// Without a transaction each statement would be its own. A Store, as the Publisher, makes one.
func TestAStoreIsAPublisherOfItsOwnTransactions(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		dispatcher := h.worker(t, soon)
		acme := newCustomer(t, dispatcher)
		receipts, err := dispatcher.EmitTx(t.Context(), h.store, acme.event("a", "1"), acme.event("", "2"), acme.event("a", "1"))
		require.NoError(t, err)
		assert.Equal(t, -1, receipts[1].Deliveries)
		assert.True(t, receipts[2].Duplicate)
		assert.NoError(t, uuid.Validate(receipts[1].EventID))
		_, err = dispatcher.EmitTx(t.Context(), h.store, acme.event("", "lost"), acme.event("a", "other content"))
		require.ErrorIs(t, err, webhook.ErrConflict)
		assert.ElementsMatch(t, []string{"1", "2"}, acme.got(2))
		assert.Len(t, acme.stored(), 2)
	})
}
