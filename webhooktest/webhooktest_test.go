package webhooktest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// setUp returns a Dispatcher with an endpoint "one" of acme at a receiver.
func setUp(t *testing.T) (*webhook.Dispatcher, *webhooktest.Receiver) {
	t.Helper()
	receiver := webhooktest.NewReceiver()
	t.Cleanup(receiver.Close)
	d, err := webhook.New(memstore.New(memstore.Options{}), webhooktest.Config())
	require.NoError(t, err)
	_, err = d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{
		ID: "one", URL: receiver.URL, Secret: receiver.Secret, Events: []string{"*"},
	})
	require.NoError(t, err)
	return d, receiver
}

func emit(t *testing.T, d *webhook.Dispatcher, id string) {
	t.Helper()
	_, err := d.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: "a.b", ID: id})
	require.NoError(t, err)
}

func TestDrainDeliversWhatIsDueAndTheReceiverVerifiesIt(t *testing.T) {
	d, receiver := setUp(t)
	emit(t, d, "evt1")
	emit(t, d, "evt2")
	require.NoError(t, webhooktest.Drain(t.Context(), d))
	received := receiver.Received()
	require.Len(t, received, 2)
	for _, r := range received {
		require.NoError(t, r.Err)
		assert.Contains(t, string(r.Body), `"type":"a.b"`)
		assert.WithinDuration(t, time.Now(), r.Time, 5*time.Second)
	}
	require.ErrorContains(t, d.Ready(), "not running", "Drain stops what it started")
}

func TestDrainLeavesWhatWaitsForARetry(t *testing.T) {
	d, receiver := setUp(t)
	receiver.AnswerFunc(func(webhooktest.Received) webhooktest.Answer {
		return webhooktest.Answer{Status: 503, Header: http.Header{"Retry-After": {"3600"}}, Body: "later"}
	})
	emit(t, d, "evt")
	require.NoError(t, webhooktest.Drain(t.Context(), d))
	page, err := d.Tenant("acme").Attempts(t.Context(), webhook.Query{EventID: "evt"})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.Equal(t, "later", string(page.Items[0].ResponseBody))
}

func TestDrainWaitsBesideARunningDispatcher(t *testing.T) {
	d, receiver := setUp(t)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()
	for d.Ready() != nil {
		runtime.Gosched()
	}
	emit(t, d, "evt")
	require.NoError(t, webhooktest.Drain(t.Context(), d))
	assert.Len(t, receiver.Received(), 1)
	stop()
	require.NoError(t, <-stopped)
}

func TestDrainGivesUpWithItsContext(t *testing.T) {
	d, receiver := setUp(t)
	receiver.Answer(webhooktest.Answer{Wait: -1})
	emit(t, d, "evt")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = receiver.Wait(ctx, 1)
		cancel()
	}()
	require.ErrorIs(t, webhooktest.Drain(ctx, d), context.Canceled)
}

func TestAnswersAreGivenInTheirOrderAndThenByTheFunction(t *testing.T) {
	receiver := webhooktest.NewReceiver()
	defer receiver.Close()
	receiver.Answer(webhooktest.Answer{Status: 500}, webhooktest.Answer{Status: 429, Wait: time.Millisecond})
	receiver.AnswerFunc(func(r webhooktest.Received) webhooktest.Answer {
		return webhooktest.Answer{Status: 200, Body: "got " + string(r.Body)}
	})
	for _, want := range []string{"500 ", "429 ", "200 got x", "200 got x"} {
		resp, err := http.Post(receiver.URL, "text/plain", strings.NewReader("x"))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want, resp.Status[:3]+" "+string(body))
	}
}

func TestAReceiverSaysWhyASignatureIsNotValid(t *testing.T) {
	receiver := webhooktest.NewReceiver()
	defer receiver.Close()
	resp, err := http.Post(receiver.URL, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	received, err := receiver.Wait(t.Context(), 1)
	require.NoError(t, err)
	require.ErrorContains(t, received[0].Err, "missing")

	d, other := setUp(t)
	other.Secret = receiver.Secret // not the one that the endpoint has
	emit(t, d, "evt")
	require.NoError(t, webhooktest.Drain(t.Context(), d))
	require.ErrorContains(t, other.Received()[0].Err, "no signature matches")
}

func TestWaitReturnsWhatArrivedWhenItsContextEnds(t *testing.T) {
	receiver := webhooktest.NewReceiver()
	defer receiver.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	received, err := receiver.Wait(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, received)
}

func TestATransportLetsDaysOfRetriesPassInNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		network := &webhooktest.Transport{Answer: func(context.Context, *webhook.Request) (*webhook.Response, error) {
			if n++; n < 10 {
				return nil, errors.New("down")
			}
			return &webhook.Response{StatusCode: 200}, nil
		}}
		d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{Transport: network})
		require.NoError(t, err)
		_, err = d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = d.Run(ctx) }()
		emit(t, d, "evt")
		time.Sleep(24 * time.Hour) //nolint:forbidigo // the clock is fake
		sent := network.Sent()
		require.Len(t, sent, 10)
		assert.Greater(t, sent[9].Time.Sub(sent[0].Time), 80*time.Minute)
	})
}
