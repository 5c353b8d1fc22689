package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestACipherKeyDoesNotAppearWhereItIsPrintedMarshalledOrLogged(t *testing.T) {
	k := webhook.CipherKey{ID: "k1", Key: bytes.Repeat([]byte("c4n4"), 8)}
	holder := struct {
		Keys []webhook.CipherKey
		One  *webhook.CipherKey
	}{[]webhook.CipherKey{k}, &k}
	var out bytes.Buffer
	for _, v := range []any{k, &k, []webhook.CipherKey{k}, map[string]webhook.CipherKey{"a": k}, holder, &holder} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(text)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", v)
	}
	assert.Contains(t, out.String(), "k1")
	for _, secret := range []string{"c4n4", "YzRuN", "6334", "99 52 110 52"} {
		assert.NotContains(t, strings.ToLower(out.String()), strings.ToLower(secret))
	}
}

func TestTheProxysPasswordDoesNotAppearWhereAConfigIsPrintedOrLogged(t *testing.T) {
	proxy, err := url.Parse("http://c4n4ry-user:c4n4ry@proxy.example:3128")
	require.NoError(t, err)
	c := webhook.Config{Network: webhook.Network{Proxy: proxy, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
	var out bytes.Buffer
	for _, v := range []any{c, &c, c.Network, &c.Network, []webhook.Config{c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "c", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "c", v)
	}
	assert.Contains(t, out.String(), "proxy.example:3128")
	assert.Contains(t, out.String(), "192.0.2.0/24")
	assert.NotContains(t, out.String(), "c4n4ry")
	assert.Equal(t, "c4n4ry-user", proxy.User.Username(), "it is copied")
}
