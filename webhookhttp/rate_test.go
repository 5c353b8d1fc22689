package webhookhttp_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCallsThatComeTooOftenAreAnsweredWithTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := newSlow(t)
		created := send(h, "POST", "/webhooks", `{"url": "https://a.example", "events": ["*"]}`, "X-Tenant", "a")
		assert.Equal(t, 201, created.Code)
		var made struct{ ID string }
		require.NoError(t, json.Unmarshal(created.Body.Bytes(), &made))
		path := "/webhooks/" + made.ID + "/test"
		for range 10 {
			assert.Equal(t, 200, send(h, "POST", path, "", "X-Tenant", "a").Code)
		}
		refused := send(h, "POST", path, "", "X-Tenant", "a")
		assert.Equal(t, 429, refused.Code)
		assert.Equal(t, "5", refused.Header().Get("Retry-After"))
		assert.Contains(t, refused.Body.String(), `"code":"too_many_requests"`)

		for _, want := range []int{404, 429} { // no delivery of that name is there, and asking counts
			calls := 0
			for calls < 60 {
				calls++
				if got := send(h, "POST", "/deliveries/evt.x/retry", "", "X-Tenant", "a"); got.Code != 404 {
					assert.Equal(t, want, got.Code)
					assert.NotEmpty(t, got.Header().Get("Retry-After"))
					break
				}
			}
		}
	})
}

func TestReplaysAndRetriesOfManyCostMoreThanARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := newSlow(t)
		calls := []struct{ path, body string }{{"/replays", `{"all": true, "dry_run": true}`}, {"/deliveries/retry", `{"all": true}`}}
		for i := range 10 {
			assert.Less(t, send(h, "POST", calls[i%2].path, calls[i%2].body, "X-Tenant", "a").Code, 300)
		}
		for _, c := range calls {
			refused := send(h, "POST", c.path, c.body, "X-Tenant", "a")
			assert.Equal(t, 429, refused.Code)
			assert.Equal(t, "20", refused.Header().Get("Retry-After"))
			assert.Contains(t, refused.Body.String(), `"code":"too_many_requests"`)
			assert.Less(t, send(h, "POST", c.path, c.body, "X-Tenant", "b").Code, 300, "another tenant")
		}
	})
}
