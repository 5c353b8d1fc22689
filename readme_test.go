package webhook_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/signature"
)

// readmeBlock returns the first block of README.md in a language.
func readmeBlock(t *testing.T, language string) string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "```"+language+"\n")
	require.True(t, found)
	block, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	return block
}

func TestTheRequestInTheREADMEIsGenuine(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	head, body, found := strings.Cut(strings.TrimSuffix(readmeBlock(t, "http"), "\n"), "\n\n")
	require.True(t, found)
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: a.example\r\n\r\n")))
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, req.Body)
	h := req.Header
	at := time.Date(2026, 11, 22, 8, 26, 41, 0, time.UTC)
	require.NoError(t, signature.VerifyStandard(secret, h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), h.Get("Webhook-Signature"), []byte(body), at))
	assert.True(t, bytes.HasPrefix([]byte(body), []byte(`{"type":"member.joined","timestamp":"2026-11-22T08:26:40.000Z"`)))
}
