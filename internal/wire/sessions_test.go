package wire

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyAnOwnerResumesItsSessions(t *testing.T) {
	receiver, sender := testTLS(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		receiver.MinVersion, receiver.MaxVersion = version, version
		server := listen(t, receiver.Clone(), always(okDone))
		other := listen(t, receiver.Clone(), always(okDone))
		client := clientOf(t, Config{TLS: sender})
		resumed := func(url string, owner Owner) bool {
			r := request(t, url, owner, "{}")
			got, err := send(t, client, r)
			require.NoError(t, err)
			client.CloseIdle()
			return got.tls.DidResume
		}
		assert.False(t, resumed(server.url, one))
		assert.True(t, resumed(server.url, one))
		assert.False(t, resumed(server.url, Owner{"acme", "two", 1}), "another endpoint")
		assert.False(t, resumed(server.url, Owner{"other", "one", 1}), "another tenant")
		assert.False(t, resumed(server.url, Owner{"acme", "one", 2}), "other settings")
		assert.False(t, resumed(other.url, one), "another port")
		assert.False(t, resumed(server.url, Owner{}), "a connection of its own")
		assert.False(t, resumed(server.url, Owner{}), "a connection of its own")
		assert.True(t, resumed(server.url, one))
	}
}

// crypto/tls does not call VerifyPeerCertificate for a resumed session.
func TestACertificateThatTheApplicationVerifiesIsVerifiedEachTime(t *testing.T) {
	receiver, sender := testTLS(t)
	calls := 0
	sender.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { calls++; return nil }
	sender.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	server := listen(t, receiver, always(okDone))
	client := clientOf(t, Config{TLS: sender})
	for want := range 3 {
		_, err := send(t, client, request(t, server.url, one, "{}"))
		require.NoError(t, err)
		client.CloseIdle()
		assert.Equal(t, want+1, calls)
	}
}

func TestSessionsAreBoundedAndTheOldestGo(t *testing.T) {
	s := &sessions{max: 3}
	cache := func(i int) tls.ClientSessionCache {
		return s.of(&home{key: homeKey{"acme", fmt.Sprint(i)}, version: 1}, place{"https", "h"}, new(tls.Config))
	}
	state := new(tls.ClientSessionState)
	for i := range 3 {
		cache(i).Put("h", state)
	}
	_, ok := cache(0).Get("h")
	require.True(t, ok)
	cache(3).Put("h", state)
	for i, want := range []bool{true, false, true, true} {
		_, ok := cache(i).Get("h")
		assert.Equal(t, want, ok, i)
	}
	assert.Len(t, s.byKey, 3)
	cache(0).Put("h", nil)
	cache(9).Put("h", nil)
	_, ok = cache(0).Get("h")
	assert.False(t, ok)
	assert.Len(t, s.byKey, 2)
	assert.Equal(t, 2, s.recent.Len())

	none := &sessions{}
	none.of(&home{}, place{}, new(tls.Config)).Put("h", state)
	assert.Empty(t, none.byKey)
}
