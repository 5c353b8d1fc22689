package loopback

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

func newDispatcher(t *testing.T) *webhook.Dispatcher {
	t.Helper()
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{})
	require.NoError(t, err)
	return d
}

func TestRunEndsWhenAllHaveBeenVerified(t *testing.T) {
	var out strings.Builder
	inbox, also := &Inbox{Out: &out}, make(chan struct{})
	go func() {
		inbox.Verified("%s", "one")
		inbox.Verified("%s", "two")
		close(also)
	}()
	require.NoError(t, inbox.Run(t.Context(), newDispatcher(t), 2, also))
	assert.Equal(t, "  verified  one\n  verified  two\n", out.String())
}

func TestRunFailsUnlessAllHaveBeenVerified(t *testing.T) {
	inbox := &Inbox{Out: io.Discard}
	inbox.Verified("one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, inbox.Run(ctx, newDispatcher(t), 2), context.Canceled)
	assert.ErrorIs(t, inbox.Run(ctx, newDispatcher(t), 1, make(chan struct{})), context.Canceled)

	inbox.Verified("two")
	assert.ErrorContains(t, inbox.Run(t.Context(), newDispatcher(t), 1), "2 requests were verified, not 1")

	inbox.Refused("what is %s", "forged")
	inbox.Refused("another")
	assert.ErrorContains(t, inbox.Run(t.Context(), newDispatcher(t), 2), "refused: what is forged")
}

func TestServeServesUntilItIsStopped(t *testing.T) {
	url, stop, err := Serve(t.Context(), http.NotFoundHandler())
	require.NoError(t, err)
	resp, err := http.Get(url)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	stop()
	_, err = http.Get(url) //nolint:bodyclose // there is none
	assert.Error(t, err)
}

func TestAProviderTakesFewerThan150Lines(t *testing.T) {
	for _, name := range []string{"key", "tryno", "keywordsai", "keygen"} {
		text, err := os.ReadFile("../../" + name + "/main.go")
		require.NoError(t, err)
		assert.Less(t, bytes.Count(text, []byte("\n")), 150, name)
	}
}
