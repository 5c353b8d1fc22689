package webhookhttp_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// overtaken is a store where something else changes an endpoint before each of the next updates.
type overtaken struct {
	webhook.Store

	times int
}

func (s *overtaken) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	if s.times > 0 {
		s.times--
		other := e
		other.Channel = fmt.Sprint("other", s.times)
		if _, err := s.Store.UpdateEndpoint(ctx, other); err != nil {
			return webhook.Endpoint{}, err
		}
	}
	return s.Store.UpdateEndpoint(ctx, e)
}

func TestAnUpdateThatOthersOvertakeIsRepeatedUnlessItIsConditional(t *testing.T) {
	s := &overtaken{Store: memstore.New(memstore.Options{})}
	d, err := webhook.New(s, webhook.Config{Transport: &webhooktest.Transport{}})
	require.NoError(t, err)
	_, err = d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://a.example", Events: []string{"*"}})
	require.NoError(t, err)
	h := newHandler(t, d)

	s.times = 4
	answer := send(h, "PATCH", "/webhooks/one", `{"description": "mine"}`)
	require.Equal(t, 200, answer.Code, answer.Body)
	assert.Contains(t, answer.Body.String(), `"description":"mine"`)
	assert.Contains(t, answer.Body.String(), `"channel":"other0"`, "both changes are there")

	s.times = 100
	answer = send(h, "PATCH", "/webhooks/one", `{"description": "again"}`)
	assert.Equal(t, 409, answer.Code)
	assert.Contains(t, answer.Body.String(), `"code":"conflict"`)

	s.times = 1
	tag := send(h, "GET", "/webhooks/one", "").Header().Get("ETag")
	answer = send(h, "PATCH", "/webhooks/one", `{"description": "again"}`, "If-Match", tag)
	assert.Equal(t, 412, answer.Code)
	assert.Contains(t, answer.Body.String(), `"code":"precondition_failed"`)
}

func TestOfManyConditionalUpdatesOfOneVersionOneWins(t *testing.T) {
	d := newDispatcher(t)
	h := newHandler(t, d)
	_, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://a.example", Events: []string{"*"}})
	require.NoError(t, err)
	tag := send(h, "GET", "/webhooks/one", "").Header().Get("ETag")
	codes := make([]int, 16)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			codes[i] = send(h, "PATCH", "/webhooks/one", fmt.Sprintf(`{"description": "%d"}`, i), "If-Match", tag).Code
		})
	}
	wg.Wait()
	won := 0
	for _, code := range codes {
		if code == 200 {
			won++
			continue
		}
		assert.Equal(t, 412, code)
	}
	assert.Equal(t, 1, won)
}

func TestTheTagChangesWithHealthAndIfMatchDoesNotMind(t *testing.T) {
	net := &webhooktest.Transport{}
	d := newDispatcher(t, func(c *webhook.Config) { c.Transport = net })
	h := newHandler(t, d)
	_, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://a.example", Events: []string{"*"}})
	require.NoError(t, err)
	before := send(h, "GET", "/webhooks/one", "").Header().Get("ETag")
	assert.Equal(t, 304, send(h, "GET", "/webhooks/one", "", "If-None-Match", before).Code)
	assert.Equal(t, 304, send(h, "GET", "/webhooks/one", "", "If-None-Match", "W/"+before).Code)

	net.Answer = func(context.Context, *webhook.Request) (*webhook.Response, error) {
		return &webhook.Response{StatusCode: 500}, nil
	}
	_, err = d.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: "a.b"})
	require.NoError(t, err)
	require.NoError(t, webhooktest.Drain(t.Context(), d))
	changed := send(h, "GET", "/webhooks/one", "", "If-None-Match", before)
	assert.Equal(t, 200, changed.Code)
	assert.NotEqual(t, before, changed.Header().Get("ETag"))
	updated := send(h, "PATCH", "/webhooks/one", `{"description": "d"}`, "If-Match", before)
	assert.Equal(t, 200, updated.Code)
	assert.Equal(t, updated.Header().Get("ETag"), send(h, "GET", "/webhooks/one", "").Header().Get("ETag"))
	assert.Equal(t, 412, send(h, "DELETE", "/webhooks/one", "", "If-Match", before).Code)
	assert.Equal(t, 204, send(h, "DELETE", "/webhooks/one", "", "If-Match", updated.Header().Get("ETag")).Code)
}

func TestATestAnswersWhenTheEndpointHasWithTheTimeItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &webhooktest.Transport{Answer: func(ctx context.Context, _ *webhook.Request) (*webhook.Response, error) {
			select {
			case <-time.After(150 * time.Millisecond):
				return &webhook.Response{StatusCode: 202}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		d := newDispatcher(t, func(c *webhook.Config) { c.Transport = net })
		h := newHandler(t, d)
		for id, timeout := range map[string]time.Duration{"patient": 0, "hasty": 100 * time.Millisecond} {
			_, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{
				ID: id, URL: "https://a.example", Events: []string{"*"}, Timeout: timeout,
			})
			require.NoError(t, err)
		}
		patient, hasty := send(h, "POST", "/webhooks/patient/test", ""), send(h, "POST", "/webhooks/hasty/test", "")
		assert.Contains(t, patient.Body.String(), `"status_code":202,"response_time_ms":150,"class":null`)
		assert.Contains(t, hasty.Body.String(), `"status_code":null,"response_time_ms":100,"class":"timeout"`)
		assert.Contains(t, send(h, "GET", "/webhooks/patient/logs", "").Body.String(), `"status_code":202,"response_time_ms":150`)
	})
}

func TestAClientThatLeavesIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &webhooktest.Transport{Answer: func(ctx context.Context, _ *webhook.Request) (*webhook.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		d := newDispatcher(t, func(c *webhook.Config) { c.Transport = net })
		log := &recorder{}
		h := newHandler(t, d, log.into)
		_, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://a.example", Events: []string{"*"}})
		require.NoError(t, err)
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			sendWith(ctx, h, "POST", "/webhooks/one/test")
		}()
		synctest.Wait()
		leave()
		<-done
		assert.Empty(t, log.String())
		assert.Equal(t, 200, send(h, "GET", "/webhooks/one", "").Code)
	})
}

// A changingStore lets somebody else change an endpoint before it is deleted, a number of times.
type changingStore struct {
	webhook.Store
	times int
}

func (s *changingStore) DeleteEndpoint(ctx context.Context, key webhook.EndpointKey, version int64, now time.Time) error {
	found, err := s.Refresh(ctx, []webhook.EndpointKey{key})
	if err != nil {
		return err
	}
	if s.times--; s.times < 0 {
		found = nil
	}
	for _, e := range found {
		e.Description = "changed by somebody else"
		if _, err := s.UpdateEndpoint(ctx, e); err != nil {
			return err
		}
	}
	return s.Store.DeleteEndpoint(ctx, key, version, now)
}

func TestADeletionWithIfMatchDeletesNothingThatOthersChanged(t *testing.T) {
	d, err := webhook.New(&changingStore{memstore.New(memstore.Options{}), 2}, webhook.Config{Transport: &webhooktest.Transport{}})
	require.NoError(t, err)
	h := newHandler(t, d)
	_, err = d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://a.example", Events: []string{"*"}})
	require.NoError(t, err)
	tag := send(h, "GET", "/webhooks/one", "").Header().Get("ETag")
	answer := send(h, "DELETE", "/webhooks/one", "", "If-Match", tag)
	assert.Equal(t, 412, answer.Code, answer.Body)
	assert.Contains(t, answer.Body.String(), `"code":"precondition_failed"`)
	assert.Contains(t, send(h, "GET", "/webhooks/one", "").Body.String(), "changed by somebody else")
	assert.Equal(t, 204, send(h, "DELETE", "/webhooks/one", "", "If-Match", "*").Code)
	assert.Equal(t, 404, send(h, "DELETE", "/webhooks/one", "").Code)
}
