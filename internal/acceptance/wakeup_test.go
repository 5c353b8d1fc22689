package acceptance

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// talkingStore is a Store that lets Dispatchers wake each other.
type talkingStore struct {
	webhook.Store
	news      chan struct{}
	fail      chan error // its error ends Listen
	listening atomic.Int64
	notified  atomic.Int64
	answer    error // error of Notify and Listen
	slow      time.Duration
}

func newTalking() *talkingStore {
	return &talkingStore{Store: memstore.New(memstore.Options{}), news: make(chan struct{}, 100), fail: make(chan error)}
}

func (s *talkingStore) Listen(ctx context.Context, notified func()) error {
	s.listening.Add(1)
	if s.answer != nil {
		return s.answer
	}
	for notified(); ; notified() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.fail:
			return err
		case <-s.news:
		}
	}
}

func (s *talkingStore) Notify(context.Context) error {
	s.notified.Add(1)
	if s.answer != nil {
		return s.answer
	}
	pass(s.slow)
	s.news <- struct{}{}
	return nil
}

// newTalker returns a Dispatcher that polls once a minute.
func newTalker(t *testing.T, store webhook.Store, o webhook.Observer) (*webhook.Dispatcher, *webhooktest.Transport) {
	t.Helper()
	net := &webhooktest.Transport{}
	d, err := webhook.New(store, webhook.Config{Transport: net, Logger: quiet, PollInterval: time.Minute, Observer: o})
	require.NoError(t, err)
	return d, net
}

// runUntilEnd runs a Dispatcher until the test ends.
func runUntilEnd(t *testing.T, d *webhook.Dispatcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	synctest.Wait()
}

var anEvent = webhook.Event{Tenant: acme, Type: "a.b"}

func subscribe(t *testing.T, d *webhook.Dispatcher) {
	t.Helper()
	_, err := d.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{ID: "e", URL: "https://e.example", Events: []string{"*"}})
	require.NoError(t, err)
}

func TestWakeLetsOtherProcessesBeginAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := newTalking()
		worker, net := newTalker(t, store, webhook.Observer{})
		runUntilEnd(t, worker)
		emitter, _ := newTalker(t, store, webhook.Observer{})
		subscribe(t, emitter)
		_, err := emitter.EmitTx(t.Context(), store, anEvent)
		require.NoError(t, err)
		pass(time.Second)
		assert.Empty(t, net.Sent(), "nobody has been told")
		emitter.Wake()
		synctest.Wait()
		assert.Len(t, net.Sent(), 1)
	})
}

func TestAnEmitWithoutRunWakesTheProcessThatRuns(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := newTalking()
		worker, net := newTalker(t, store, webhook.Observer{})
		runUntilEnd(t, worker)
		emitter, _ := newTalker(t, store, webhook.Observer{})
		subscribe(t, emitter)
		_, err := emitter.Emit(t.Context(), anEvent)
		require.NoError(t, err)
		synctest.Wait()
		assert.Len(t, net.Sent(), 1)
		_, err = emitter.Emit(t.Context(), webhook.Event{Tenant: "nobody", Type: "a.b"})
		require.NoError(t, err)
		assert.EqualValues(t, 1, store.notified.Load(), "nothing was stored, so nobody is told")
	})
}

func TestAProcessThatDeliversItselfTellsNobody(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := newTalking()
		d, net := newTalker(t, store, webhook.Observer{})
		subscribe(t, d)
		runUntilEnd(t, d)
		for range 3 {
			_, err := d.Emit(t.Context(), anEvent)
			require.NoError(t, err)
		}
		synctest.Wait()
		assert.Len(t, net.Sent(), 3)
		assert.Zero(t, store.notified.Load())
	})
}

func TestAListenThatEndsIsBegunAgainAndPollingGoesOn(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := newTalking()
		var told atomic.Int64
		d, net := newTalker(t, store, webhook.Observer{Error: func(error) { told.Add(1) }})
		subscribe(t, d)
		runUntilEnd(t, d)
		store.fail <- errStore
		synctest.Wait()
		assert.EqualValues(t, 1, told.Load())
		pass(time.Second)
		assert.EqualValues(t, 2, store.listening.Load())
		_, err := d.EmitTx(t.Context(), store, anEvent)
		require.NoError(t, err)
		store.news <- struct{}{}
		synctest.Wait()
		assert.Len(t, net.Sent(), 1)
	})
}

func TestAStoreThatCannotListenIsAskedOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := newTalking()
		store.answer = errors.ErrUnsupported
		var told atomic.Int64
		d, _ := newTalker(t, store, webhook.Observer{Error: func(error) { told.Add(1) }})
		runUntilEnd(t, d)
		for range 3 {
			d.Wake()
		}
		pass(time.Hour)
		assert.EqualValues(t, 1, store.listening.Load())
		assert.EqualValues(t, 1, store.notified.Load())
		assert.Zero(t, told.Load())
	})
}

func TestNotificationsThatComeTogetherAreSentTogetherAndNoneIsForgotten(t *testing.T) {
	inTime(t, func(t *testing.T) {
		store := newTalking()
		store.slow = time.Second
		d, _ := newTalker(t, store, webhook.Observer{})
		for range 10 {
			go d.Wake()
			pass(50 * time.Millisecond)
		}
		pass(5 * time.Second)
		assert.EqualValues(t, 2, store.notified.Load(), "the first, and one for all that came while it was sent")
	})
}
