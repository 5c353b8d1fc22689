package acceptance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

var errHeld = errors.New("another transaction holds the id")

// A heldStore is a Store with ids that other transactions hold.
type heldStore struct {
	inner webhook.Store

	mu       sync.Mutex
	held     []string
	requests [][]string // the ids of each request
}

// hold makes a rig's store a heldStore that holds ids.
func (r *rig) hold(ids ...string) *heldStore {
	s := &heldStore{inner: r.store.Store, held: ids}
	r.store.publish = s.publish
	return s
}

func (s *heldStore) publish(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
	results := make([]webhook.Published, len(req.Events))
	rest, index, ids := req, []int(nil), []string(nil)
	rest.Events = nil
	s.mu.Lock()
	for i := range req.Events {
		ids = append(ids, req.Events[i].ID)
		if slices.Contains(s.held, req.Events[i].ID) {
			results[i] = webhook.Published{Held: true, Err: errHeld}
			continue
		}
		rest.Events, index = append(rest.Events, req.Events[i]), append(index, i)
	}
	s.requests = append(s.requests, ids)
	s.mu.Unlock()
	time.Sleep(time.Millisecond) //nolint:forbidigo // in fake time
	if len(index) == 0 || req.Atomic && len(index) < len(req.Events) {
		return results, nil
	}
	stored, err := s.inner.Publish(ctx, rest)
	for n, i := range index {
		results[i] = stored[n]
	}
	return results, err
}

func (s *heldStore) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = nil
}

func TestIDsThatAreHeldDelayNoOtherEmit(t *testing.T) {
	for _, held := range []int{1, 2, 6, 40} {
		for _, given := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d held, others given %t", held, given), func(t *testing.T) {
				inTime(t, func(t *testing.T) {
					r := newRig(t, nil)
					r.endpoint("one")
					var ids []string
					for i := range held {
						ids = append(ids, fmt.Sprintf("held%d", i))
					}
					store := r.hold(ids...)
					emit := func(id string) error {
						_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b", ID: id})
						return err
					}
					var waiting, others sync.WaitGroup
					var ended atomic.Int32
					for _, id := range ids {
						waiting.Go(func() {
							assert.NoError(t, emit(id))
							ended.Add(1)
						})
					}
					for i := range 8 {
						others.Go(func() {
							for n := range 20 {
								id := ""
								if given {
									id = fmt.Sprintf("own%d-%d", i, n)
								}
								assert.NoError(t, emit(id))
							}
						})
					}
					began := time.Now()
					others.Wait()
					assert.Less(t, time.Since(began), time.Second, "of the fake clock")
					assert.Zero(t, ended.Load(), "the others are stored while those wait")
					store.release()
					waiting.Wait()
				})
			})
		}
	}
}

func TestEmitWaitsForAHeldIDForAWhile(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		store := r.hold("evt")
		e := webhook.Event{Tenant: acme, Type: "a.b", ID: "evt"}
		for range 2 {
			began := time.Now()
			_, err := r.Emit(t.Context(), e)
			require.ErrorIs(t, err, errHeld)
			assert.InDelta(t, 2, time.Since(began).Seconds(), 0.3)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := r.Emit(ctx, e)
			done <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)

		store.release()
		began := time.Now()
		receipt, err := r.Emit(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, webhook.Receipt{EventID: "evt", Deliveries: 1}, receipt)
		assert.Less(t, time.Since(began), 10*time.Millisecond, "it is tried at once")
	})
}

func TestEmitBatchWaitsForAHeldIDForAWhileAndNamesIt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		store := r.hold("held")
		batch := []webhook.Event{{Tenant: acme, Type: "a.b"}, {Tenant: acme, Type: "a.b", ID: "held"}, {Tenant: acme, Type: "a.b", ID: "free"}}
		ways := map[string]func(context.Context) ([]webhook.Receipt, error){
			"EmitBatch":             func(ctx context.Context) ([]webhook.Receipt, error) { return r.EmitBatch(ctx, batch) },
			"EmitTx with the Store": func(ctx context.Context) ([]webhook.Receipt, error) { return r.EmitTx(ctx, r.store, batch...) },
		}
		for name, emit := range ways {
			began := time.Now()
			receipts, err := emit(t.Context())
			require.ErrorIs(t, err, errHeld, name)
			require.ErrorContains(t, err, `events[1]: event id "held" is held by an open transaction`, name)
			assert.InDelta(t, 2, time.Since(began).Seconds(), 0.3, name)
			assert.Len(t, receipts, 3, name)

			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err = emit(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			assert.Empty(t, r.net.Sent())
		}
		time.AfterFunc(time.Second, store.release)
		receipts, err := r.EmitBatch(t.Context(), batch)
		require.NoError(t, err)
		for _, receipt := range receipts {
			assert.Equal(t, 1, receipt.Deliveries)
		}
	})
}

// An id that was held a moment ago may still be held. It shares no request with other ids.
func TestAnIDThatWasHeldIsTriedApart(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		store := r.hold("held")
		var others, waiting sync.WaitGroup
		var over atomic.Bool
		for i := range 4 {
			others.Go(func() {
				for n := 0; !over.Load(); n++ {
					r.emit(fmt.Sprintf("own%d-%d", i, n))
				}
			})
		}
		for range 4 {
			waiting.Go(func() {
				for range 3 {
					_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "a.b", ID: "held"})
					assert.ErrorIs(t, err, errHeld)
				}
			})
		}
		waiting.Wait()
		over.Store(true)
		others.Wait()
		mixed := 0
		for _, ids := range store.requests {
			own := slices.ContainsFunc(ids, func(id string) bool { return id != "held" })
			if own && slices.Contains(ids, "held") {
				mixed++
			}
		}
		assert.LessOrEqual(t, mixed, 2, "the groups that were there when nobody knew")
	})
}

func TestEventsWithNewIDsAreInNoRequestWithGivenIDs(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		var groups atomic.Int64
		r.store.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			for i := range req.Events {
				assert.Equal(t, req.Events[0].NewID, req.Events[i].NewID)
			}
			if len(req.Events) > 1 {
				groups.Add(1)
			}
			time.Sleep(time.Millisecond) //nolint:forbidigo // in fake time
			return r.store.Store.Publish(ctx, req)
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for n := range 20 { // half of the concurrent calls give an id, half do not
					id := ""
					if (i+n)%2 == 0 {
						id = fmt.Sprintf("own%d-%d", i, n)
					}
					r.emit(id)
				}
			})
		}
		all.Wait()
		assert.NotZero(t, groups.Load())
	})
}

// A database may have to lock the place of a new id beside a held id.
func TestANewIDBesideAHeldOneIsStoredLater(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("one")
		tries := 0
		r.store.publish = func(ctx context.Context, req webhook.PublishRequest) ([]webhook.Published, error) {
			if tries++; tries < 10 {
				return []webhook.Published{{Held: true, Err: errHeld}}, nil
			}
			return r.store.Store.Publish(ctx, req)
		}
		assert.Equal(t, 1, r.emit("").Deliveries)
		assert.Equal(t, 10, tries)
	})
}
