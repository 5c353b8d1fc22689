package acceptance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestLargeEventsOfAHangingEndpointLeaveRoomForOthers(t *testing.T) {
	onlyWithoutRaceDetector(t)
	inTime(t, func(t *testing.T) {
		var hung atomic.Bool
		var at atomic.Value
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
				if strings.Contains(req.URL, "big") && hung.Load() {
					return hang(ctx, req)
				}
				if strings.Contains(req.URL, "good") {
					at.Store(time.Now())
				}
				return response(200), nil
			}
		})
		r.run()
		r.endpoint("big", func(e *webhook.Endpoint) { e.Events = []string{"big"} })
		r.endpoint("good", func(e *webhook.Endpoint) { e.Events = []string{"good"} })
		synctest.Wait()
		data := strings.Repeat("x", 250<<10)
		emit := func(typ string, d any) {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: typ, Data: d})
			require.NoError(t, err)
		}
		for range 20 {
			emit("big", "x")
			emit("good", "x")
			synctest.Wait()
		}
		hung.Store(true)
		for range 400 {
			emit("big", data)
		}
		pass(3 * time.Second)
		began := time.Now()
		at.Store(time.Time{})
		emit("good", data)
		pass(2 * time.Minute)
		assert.Less(t, at.Load().(time.Time).Sub(began), 2*time.Second)
	})
}

func TestABacklogBehindManyHangingEndpointsDelaysANewEndpointByOneTimeoutAtMost(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var at atomic.Value
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.MaxEndpoints = -1
			net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
				if strings.Contains(req.URL, "bad") {
					return hang(ctx, req)
				}
				at.Store(time.Now())
				return response(200), nil
			}
		})
		for i := range 1200 {
			r.endpoint(fmt.Sprintf("bad%04d", i), func(e *webhook.Endpoint) { e.Events = []string{fmt.Sprint("bad", i%2)} })
		}
		r.endpoint("good", func(e *webhook.Endpoint) { e.Events = []string{"good"} })
		for i := range 40 {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: fmt.Sprint("bad", i%2)})
			require.NoError(t, err)
		}
		r.run()
		synctest.Wait()
		for i := range 3 {
			began := time.Now()
			at.Store(time.Time{})
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "good"})
			require.NoError(t, err)
			for at.Load().(time.Time).IsZero() {
				pass(100 * time.Millisecond)
			}
			// The first event waits until the first of the other endpoints have timed out.
			// Until then, nothing distinguishes a new endpoint from them.
			limit := 16 * time.Second
			if i > 0 {
				limit = time.Second
			}
			assert.Less(t, at.Load().(time.Time).Sub(began), limit, "event %d", i)
		}
	})
}

func TestKeysThatHangDelayNoOtherEndpointForEver(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.MaxInFlight = 4
			c.Profiles = map[string]webhook.Profile{"kms": {Keys: func(ctx context.Context, _ *webhook.Endpoint) ([]webhook.Secret, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}}}
		})
		for i := range 6 {
			r.endpoint(fmt.Sprintf("k%d", i), func(e *webhook.Endpoint) { e.Profile, e.Events = "kms", []string{"k"} })
		}
		r.endpoint("new", func(e *webhook.Endpoint) { e.Events = []string{"n"} })
		r.run()
		_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "k"})
		require.NoError(t, err)
		pass(time.Minute)
		_, err = r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "n"})
		require.NoError(t, err)
		pass(time.Hour)
		assert.NotEmpty(t, r.net.Sent(), "another endpoint waits for ever")
	})
}

func TestAFullQueueIsNotPolledInALoop(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var reads atomic.Int64
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.MaxInFlight = 8
			c.Profiles = map[string]webhook.Profile{"quick": {Retry: func(webhook.Outcome, float64) (time.Duration, bool) { return 300 * time.Millisecond, true }}}
			c.Now = func() time.Time {
				reads.Add(1)
				return time.Now()
			}
			net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
				if strings.HasPrefix(req.Endpoint.ID, "bad") {
					return hang(ctx, req)
				}
				return response(500), nil
			}
		})
		for i := range 90 {
			r.endpoint(fmt.Sprintf("bad%03d", i), func(e *webhook.Endpoint) { e.Events = []string{"bad"} })
		}
		r.endpoint("flaky", func(e *webhook.Endpoint) { e.Events, e.Profile = []string{"flaky"}, "quick" })
		emit := func(typ string) {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: typ})
			require.NoError(t, err)
		}
		r.run()
		emit("flaky")
		pass(50 * time.Millisecond)
		for range 20 {
			emit("bad")
		}
		pass(1500 * time.Millisecond)
		before := reads.Load()
		pass(time.Second)
		assert.Less(t, reads.Load()-before, int64(1000))
	})
}

func TestABacklogThatCannotBeSentIsNotClaimedAgainAndAgain(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var calls atomic.Int64
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"kms": {Keys: func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) {
				calls.Add(1)
				return nil, errors.New("kms is away")
			}}}
		})
		r.endpoint("one", func(e *webhook.Endpoint) { e.Profile = "kms" })
		for range 5000 {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "x"})
			require.NoError(t, err)
		}
		var claims atomic.Int64
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			claims.Add(1)
			return r.store.Store.Claim(ctx, req)
		}
		r.run()
		pass(time.Minute)
		assert.Less(t, calls.Load(), int64(1000))
	})
}
