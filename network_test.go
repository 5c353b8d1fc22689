package webhook

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNetworkValidateNamesTheField(t *testing.T) {
	proxy := func(raw string) Network {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		return Network{Proxy: u}
	}
	for name, tt := range map[string]struct {
		network Network
		field   string // empty for a valid one
	}{
		"zero": {},
		"everything": {Network{
			AllowHTTP: true, AllowPrivate: true, AllowLoopback: true, Allow: []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16")},
			Deny: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Ports: []uint16{443}, MaxResponseBytes: 1 << 20,
			TLS: &tls.Config{MinVersion: tls.VersionTLS13},
		}, ""},
		"no body":                  {Network{MaxResponseBytes: -1}, ""},
		"body over the limit":      {Network{MaxResponseBytes: 1<<20 + 1}, "Config.Network.MaxResponseBytes"},
		"zero prefix":              {Network{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), {}}}, "Config.Network.Allow[1]"},
		"TLS 1.2":                  {Network{TLS: &tls.Config{MinVersion: tls.VersionTLS12}}, ""},
		"TLS 1.1":                  {Network{TLS: &tls.Config{MinVersion: tls.VersionTLS11}}, "Config.Network.TLS.MinVersion"},
		"at most TLS 1.1":          {Network{TLS: &tls.Config{MaxVersion: tls.VersionTLS11}}, "Config.Network.TLS.MaxVersion"},
		"one receiver's ECH keys":  {Network{TLS: &tls.Config{EncryptedClientHelloConfigList: []byte{}}}, "Config.Network.TLS.EncryptedClientHelloConfigList"},
		"one server name for all":  {Network{TLS: &tls.Config{ServerName: "a.example"}}, "Config.Network.TLS.ServerName"},
		"http proxy":               {proxy("http://proxy.internal:3128"), ""},
		"https proxy":              {proxy("https://user:password@proxy.internal"), ""},
		"socks5 proxy":             {proxy("socks5://10.0.0.1:1080"), ""},
		"metadata address":         {proxy("http://169.254.169.254:80"), ""}, // named is named
		"other scheme":             {proxy("ftp://proxy.internal"), "Config.Network.Proxy"},
		"no scheme":                {proxy("//proxy.internal:3128"), "Config.Network.Proxy"},
		"no host":                  {proxy("http://:3128"), "Config.Network.Proxy"},
		"host of another alphabet": {proxy("http://präxy.internal"), "Config.Network.Proxy"},
		"port 0":                   {proxy("http://proxy.internal:0"), "Config.Network.Proxy"},
		"port too large":           {proxy("http://proxy.internal:65536"), "Config.Network.Proxy"},
		"password and no host":     {proxy("http://user:password@"), "Config.Network.Proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.network.validate()
			if tt.field == "" {
				require.NoError(t, err)
				return
			}
			field, ok := errors.AsType[*FieldError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, tt.field, field.Field)
			assert.NotEmpty(t, field.Cure)
			assert.NotContains(t, err.Error(), "password")
		})
	}
}

func TestCheckURLAccepts(t *testing.T) {
	private := Network{AllowPrivate: true, AllowLoopback: true}
	named := Network{Allow: []netip.Prefix{netip.MustParsePrefix("169.254.169.254/32")}}
	for _, tt := range []struct {
		network Network
		url     string
	}{
		{Network{}, "https://example.com"},
		{Network{}, "HTTPS://EXAMPLE.COM./%20a?b=c&d"},
		{Network{Ports: []uint16{1}}, "https://example.com:1/"},
		{Network{}, "https://example.com:65535/"},
		{Network{}, "https://xn--bcher-kva.example/"},
		{Network{}, "https://8.8.8.8/"},
		{Network{}, "https://[2606:4700::1111]:8443/"},
		{Network{}, "https://example.com/?to=a@b.example"}, // an @ that is not userinfo
		{Network{}, "https://example.com/" + strings.Repeat("a", 2048-len("https://example.com/"))},
		{Network{AllowHTTP: true}, "http://example.com/"},
		{Network{AllowHTTP: true}, "https://example.com/"},
		{private, "https://127.0.0.1/"},
		{private, "https://[fd00::1]/"},
		{named, "https://169.254.169.254/"},
		{Network{}, "https://localhost/"}, // names are judged when they are dialed
	} {
		u, err := tt.network.checkURL("Endpoint.URL", tt.url)
		require.NoError(t, err, tt.url)
		require.NotNil(t, u)
	}
}

func TestCheckURLRefuses(t *testing.T) {
	for _, tt := range []struct {
		url, problem, cure string
	}{
		{"", "is empty", "https://"},
		{"https://example.com/" + strings.Repeat("a", 2049-len("https://example.com/")), "2,048", "shorter"},
		{"https://example.com/a b", "space", "%20"},
		{" https://example.com/", "space", "%20"},
		{"https://example.com/\n", "control", "%20"},
		{"https://example.com/\x7f", "control", "%20"},
		{"https://example.com/\x00", "control", "%20"},
		{"https://bücher.example/", "not ASCII", "xn--"},
		{"https://bücher.example", "not ASCII", "xn--"},
		{"https://%C3%BCber.example/", "not in ASCII", "xn--"},
		{"https://example.com/ü", "not ASCII", "percent-encode"},
		{"https://example.com?ü", "not ASCII", "percent-encode"},
		{"https://example.com/\xff", "not ASCII", "percent-encode"},
		{"https://127。0。0。1/", "not ASCII", "xn--"},
		{"https://example.com/%zz", "percent sign", "https://"},
		{"https://[::1/", "not a valid URL", "https://"},
		{"https://example.com:port/", "not a valid URL", "https://"},
		{"https://example.com\\@evil.example/", "backslash in its host", "https://"},
		{"https://example.com\\127.0.0.1/", "backslash in its host", "https://"},
		{"https://127%2e0.0.1/", "percent sign in its host", "own letters"},
		{"https://example%00.com/", "percent sign in its host", "own letters"},
		{"http://example.com/", "not encrypted", "AllowHTTP"},
		{"ftp://example.com/", "not an https URL", "https://"},
		{"//example.com/", "not an https URL", "https://"},
		{"example.com/hook", "not an https URL", "https://"},
		{"https:example.com", "no host", "https://"},
		{"https:///path", "no host", "https://"},
		{"https://:443/", "no host", "https://"},
		{"https://user@example.com/", "user or password", "header"},
		{"https://:@example.com/", "user or password", "header"},
		{"https://@example.com/", "user or password", "header"},
		{"https://example.com/#a", "fragment", "remove"},
		{"https://example.com/#", "fragment", "remove"},
		{"https://example.com:0/", "port", "colon"},
		{"https://example.com:65536/", "port", "colon"},
		{"https://example.com:/", "port", "colon"},
		{"https://10.0.0.1/", "10.0.0.1 (RFC 1918", "Network.AllowPrivate"},
		{"https://[::ffff:127.0.0.1]/", "127.0.0.1 (", "Network.AllowLoopback"},
		{"https://169.254.169.254/", "metadata", "Network.Allow 169.254.169.254/32"},
		{"https://[fe80::1%25eth0]/", "zone", "public address"},
		{"https://2130706433/", "ends in a number", "four decimal numbers"},
		{"https://0x7f.1/", "ends in a number", "four decimal numbers"},
		{"https://exa!mple.com/", "a character no name has", "letters"},
	} {
		_, err := Network{}.checkURL("Endpoint.URL", tt.url)
		field, ok := errors.AsType[*FieldError](err)
		require.True(t, ok, "%q: %v", tt.url, err)
		assert.Equal(t, "Endpoint.URL", field.Field)
		assert.Contains(t, field.Problem, tt.problem, "%q", tt.url)
		assert.Contains(t, field.Cure, tt.cure, "%q", tt.url)
	}
}

func TestCheckURLErrorsNeverQuoteUserinfo(t *testing.T) {
	for _, raw := range []string{
		"https://user:canary@example.com/", "http://user:canary@example.com/", "https://user:canary@", "https://user:canary@10.0.0.1/",
		"https://us er:canary@example.com/", "https://user:canary%zz@example.com/", "https://user:canary", "user:canary@example.com",
		"https://[user:canary@example.com/", "https://user:canary@example.com:99999/#canary", "https://user:canary@bücher.example/",
		"https://u:canary@2130706433/", "canary://user:canary@example.com", "https://canary!/", "https://10.0.0.1/canary?canary",
	} {
		_, err := Network{}.checkURL("Endpoint.URL", raw)
		require.Error(t, err, raw)
		assert.NotContains(t, err.Error(), "canary", raw)
	}
}

func BenchmarkCheckURL(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Network{}).checkURL("URL", "https://hooks.example.com/v1/tenants/42/in"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPortsAreJudgedWhenAnEndpointIsCreated(t *testing.T) {
	for raw, n := range map[string]Network{
		"https://hooks.example:25/":   {},
		"https://hooks.example:80/":   {},
		"https://hooks.example:1023/": {},
		"https://hooks.example/":      {Ports: []uint16{8443}},
		"http://hooks.example/":       {AllowHTTP: true, Ports: []uint16{443}},
	} {
		_, err := n.checkURL("Endpoint.URL", raw)
		field, ok := errors.AsType[*FieldError](err)
		require.True(t, ok, raw)
		assert.Contains(t, field.Problem, "which is not allowed", raw)
		assert.Contains(t, field.Cure, "Network.Ports", raw)
	}
	for raw, n := range map[string]Network{
		"https://hooks.example/":      {},
		"https://hooks.example:8443/": {},
		"http://hooks.example/":       {AllowHTTP: true},
		"https://hooks.example:25/":   {Ports: []uint16{25}},
	} {
		_, err := n.checkURL("Endpoint.URL", raw)
		require.NoError(t, err, raw)
	}
}

func TestPrefixesAndPortsOfANetworkAreCheckedByNew(t *testing.T) {
	for field, n := range map[string]Network{
		"Config.Network.Deny[0]":  {Deny: []netip.Prefix{{}}},
		"Config.Network.Ports[1]": {Ports: []uint16{443, 0}},
		"Config.Network.Ports":    {Ports: []uint16{}},
	} {
		err, ok := errors.AsType[*FieldError](n.validate())
		require.True(t, ok, field)
		assert.Equal(t, field, err.Field)
	}
}

func TestRunWarnsOnceOfANetworkThatAllowsMore(t *testing.T) {
	for want, n := range map[string]Network{
		"": {},
		"Network.TLS.InsecureSkipVerify, Network.AllowLoopback, Network.AllowPrivate, Network.AllowHTTP": {
			AllowHTTP: true, AllowPrivate: true, AllowLoopback: true,
			TLS: &tls.Config{InsecureSkipVerify: true},
		},
		"Network.AllowHTTP": {AllowHTTP: true},
	} {
		var said strings.Builder
		d := &Dispatcher{config: Config{Network: n, Logger: slog.New(slog.NewTextHandler(&said, nil))}}
		d.warnOfOpenNetwork()
		if want == "" {
			assert.Empty(t, said.String())
			continue
		}
		assert.Equal(t, 1, strings.Count(said.String(), "\n"))
		assert.Contains(t, said.String(), "level=WARN")
		assert.Contains(t, said.String(), want)
	}
}

func TestARoundTripperOfAnInconsistentNetworkIsRefused(t *testing.T) {
	_, err := Network{MaxResponseBytes: maxResponseBytes + 1}.RoundTripper()
	require.ErrorIs(t, err, ErrInvalid)
}
