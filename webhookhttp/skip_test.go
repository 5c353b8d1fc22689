package webhookhttp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestAPageThatTheStoreCannotReachAsksForTheCursor(t *testing.T) {
	var asked []webhook.Query
	fetch := func(q webhook.Query) (webhook.Page[int], error) {
		asked = append(asked, q)
		return webhook.Page[int]{Next: "more"}, nil
	}
	_, err := skip(webhook.Query{Limit: 50}, 3, fetch)
	require.Error(t, err)
	assert.Equal(t, codeUseCursor, err.(*refusal).Code) //nolint:errorlint // it is not wrapped
	assert.Equal(t, []webhook.Query{{Limit: 50, Skip: 100}}, asked, "the store passes over the rows, in one call")
	asked = nil
	page, err := skip(webhook.Query{Limit: 50}, 1, fetch)
	require.NoError(t, err)
	assert.Empty(t, page.Items)
	assert.Equal(t, "more", page.Next, "the first page is short, and goes on")
	assert.Len(t, asked, 1)
}
