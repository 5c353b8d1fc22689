package webhookhttp_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhookhttp"
	"github.com/gowebhook/webhook/webhooktest"
)

// ids returns the ids of a list, and the cursor of its next part.
func ids(t *testing.T, h *webhookhttp.Handler, target string) (list []string, next string) {
	t.Helper()
	answer := send(h, "GET", target, "")
	require.Equal(t, 200, answer.Code, "%s: %s", target, answer.Body)
	var part struct {
		Data       []struct{ ID string }
		NextCursor string `json:"next_cursor"`
	}
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &part))
	for _, d := range part.Data {
		list = append(list, d.ID)
	}
	return list, part.NextCursor
}

// delivered returns a handler of an endpoint that got n events.
func delivered(t *testing.T, n int) *webhookhttp.Handler {
	t.Helper()
	d := newDispatcher(t)
	_, err := d.Tenant("acme").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://a.example", Events: []string{"*"}})
	require.NoError(t, err)
	for i := 0; i < n; i += 500 {
		batch := make([]webhook.Event, min(500, n-i))
		for j := range batch {
			batch[j] = webhook.Event{Tenant: "acme", Type: "a.b", ID: fmt.Sprint("evt-", i+j)}
		}
		_, err := d.EmitBatch(t.Context(), batch)
		require.NoError(t, err)
	}
	require.NoError(t, webhooktest.Drain(t.Context(), d))
	return newHandler(t, d)
}

func TestCursorsWalkEveryListToItsEnd(t *testing.T) {
	h := delivered(t, 25)
	for path, want := range map[string]int{
		"/events": 25, "/deliveries": 25, "/deliveries?endpoint_id=one": 25, "/webhooks/one/logs": 25, "/webhooks": 1,
	} {
		seen := make(map[string]bool)
		u, err := url.Parse(path)
		require.NoError(t, err)
		parts := 0
		for cursor := ""; cursor != "" || parts == 0; parts++ {
			q := u.Query()
			q.Set("per_page", "10")
			q.Set("cursor", cursor)
			list, next := ids(t, h, u.Path+"?"+q.Encode())
			assert.LessOrEqual(t, len(list), 10)
			for _, id := range list {
				assert.False(t, seen[id], "%s is there twice", id)
				seen[id] = true
			}
			cursor = next
		}
		assert.Len(t, seen, want, path)
	}
	list, _ := ids(t, h, "/events")
	assert.Len(t, list, 20, "the default")
}

func TestPagesOfALogAreThoseThatTheCursorGives(t *testing.T) {
	const rows, perPage = 1005, 50
	h := delivered(t, rows)
	next := ""
	for page := 1; page <= 20; page++ {
		byCursor, following := ids(t, h, fmt.Sprintf("/webhooks/one/logs?per_page=%d&cursor=%s", perPage, next))
		next = following
		byPage, alsoFollowing := ids(t, h, fmt.Sprintf("/webhooks/one/logs?per_page=%d&page=%d", perPage, page))
		assert.Equal(t, byCursor, byPage, "page %d", page)
		assert.Equal(t, following, alsoFollowing, "page %d", page)
	}
	rest, end := ids(t, h, "/webhooks/one/logs?cursor="+next)
	assert.Len(t, rest, rows-1000)
	assert.Empty(t, end)
}

// The limit is 1,000: page × per_page.
func TestPagesOfALogReachSoFar(t *testing.T) {
	h := delivered(t, 1005)
	for target, reached := range map[string]bool{
		"per_page=50&page=19": true, "per_page=50&page=20": true, "per_page=50&page=21": false,
		"per_page=7&page=142": true, "per_page=7&page=143": false, "page=50": true, "page=51": false,
		"page=9223372036854775807": false, "per_page=1&page=1000": true, "per_page=1&page=1001": false,
	} {
		answer := send(h, "GET", "/webhooks/one/logs?"+target, "")
		if reached {
			assert.Equal(t, 200, answer.Code, target)
			continue
		}
		assert.Equal(t, 400, answer.Code, target)
		assert.Contains(t, answer.Body.String(), `"code":"use_cursor"`, target)
		assert.Contains(t, answer.Body.String(), "next_cursor", target)
	}
}
