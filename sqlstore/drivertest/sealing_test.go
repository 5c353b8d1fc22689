package drivertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

// everyCell is all that is stored, as text.
func (s *scene) everyCell() string {
	s.Helper()
	var text strings.Builder
	for _, table := range tables {
		s.cells(&text, table)
	}
	return text.String()
}

func (s *scene) cells(text *strings.Builder, table string) {
	s.Helper()
	rows, err := s.store.DB().QueryContext(s.Context(), "SELECT * FROM webhook_"+table)
	require.NoError(s, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(s, err)
	for rows.Next() {
		cells, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		require.NoError(s, rows.Scan(into...))
		for i, cell := range cells {
			if bytes, ok := cell.([]byte); ok {
				cell = string(bytes)
			}
			fmt.Fprintf(text, "%s.%s: %v\n", table, columns[i], cell)
		}
	}
	require.NoError(s, rows.Err())
}

func TestNoRowHasASecretAHeaderValueOrAPathWhenTheyAreSealed(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		cipher, err := webhook.NewCipher(webhook.CipherKey{ID: "k1", Key: make([]byte, 32)})
		require.NoError(t, err)
		network := &webhooktest.Transport{}
		dispatcher, err := webhook.New(s.store, webhook.Config{Cipher: cipher, Transport: network})
		require.NoError(t, err)
		acme := dispatcher.Tenant("acme")
		longest := webhook.Secret(strings.Repeat("c4n4ry", 4096/6))
		header := make(map[string]webhook.Secret)
		for i := range 32 {
			header[fmt.Sprintf("X-Key-%d", i)] = longest
		}
		e, err := acme.CreateEndpoint(t.Context(), webhook.Endpoint{
			ID: "ep1", URL: "https://host.example/" + strings.Repeat("c4n4ry", 337), Events: []string{"*"}, Header: header,
		})
		require.NoError(t, err)
		url, secrets := e.URL, []string{string(e.Secret)}
		_, err = dispatcher.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: "a.b"}) // keeps the version below
		require.NoError(t, err)
		e.URL = strings.Replace(url, "/c4n4ry", "/?c4n4ry", 1)
		e, err = acme.UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		url = e.URL
		for range 9 { // ten live secrets are the most there may be
			e, err = acme.RotateSecret(t.Context(), "ep1", time.Hour)
			require.NoError(t, err)
			secrets = append(secrets, string(e.Secret))
		}
		_, err = acme.Test(t.Context(), "ep1")
		require.NoError(t, err)
		sent := network.Sent()
		require.Len(t, sent, 1)
		assert.Equal(t, string(longest), sent[0].Header.Get("X-Key-31"))
		assert.Equal(t, url, sent[0].URL)
		assert.Len(t, strings.Fields(sent[0].Header.Get("Webhook-Signature")), 10)

		all := s.everyCell()
		// The values of secrets and headers are base64 within JSON.
		require.Contains(t, all, "c2VhbGVkOmsx", "sealed:k1")
		assert.Contains(t, all, "endpoints.url: https://host.example/sealed:")
		assert.Contains(t, all, "versions.url: https://host.example/sealed:")
		for _, canary := range append(secrets, "c4n4ry", "YzRuNHJ5", "d2hzZWNf") {
			assert.NotContains(t, all, canary)
		}
	})
}
