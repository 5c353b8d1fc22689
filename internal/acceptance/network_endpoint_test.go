package acceptance

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

func TestEndpointWithADoubtfulURLIsRefusedWithACure(t *testing.T) {
	const (
		number  = "has a host that ends in a number but is not an IPv4 address; write four decimal numbers without leading zeros, as in 192.0.2.1"
		private = "has the blocked address 127.0.0.1 (RFC 1122 loopback); use a public address, or allow this one with Network.AllowLoopback"
		percent = "has a percent sign in its host; write the host's own letters and digits"
		unicode = "has a character in it that is not ASCII; use the xn-- form of an internationalized name"
		user    = "has a user or password in it; remove the part before the @; use a header of the endpoint instead"
		slash   = "has a backslash in its host; write it as https://host/path"
		control = "has a space or control character in it; percent-encode it, as in %20"
	)
	r := newRig(t, nil)
	stored := r.endpoint("one")
	for url, want := range map[string]string{
		"https://0177.0.0.1/":             number,
		"https://0x7f.1/":                 number,
		"https://2130706433/":             number,
		"https://127.1/":                  number,
		"https://0/":                      number,
		"https://%EF%BC%91.0.0.1/":        number,
		"https://127.0.0.1/":              private,
		"https://127.0.0.1./":             "has a host that is an address with a dot at the end; remove the dot",
		"https://[::ffff:7f00:1]/":        private,
		"https://[::1]/":                  "has the blocked address ::1 (RFC 4291 loopback); use a public address, or allow this one with Network.AllowLoopback",
		"https://[::]/":                   "has the blocked address :: (RFC 4291 unspecified); use a public address, or allow this one with Network.Allow ::/128",
		"https://0.0.0.0/":                "has the blocked address 0.0.0.0 (RFC 1122 this host); use a public address, or allow this one with Network.Allow 0.0.0.0/32",
		"https://169.254.169.254/latest":  "has the blocked address 169.254.169.254 (cloud metadata service); use a public address, or allow this one with Network.Allow 169.254.169.254/32",
		"https://[fe80::1%25eth0]/":       "has the blocked address fe80::1 (RFC 4007 address with a zone); use a public address",
		"https://[fe80::1%eth0]/":         percent,
		"https://127%2e0.0.1/":            percent,
		"https://%31%32%37.0.0.1/":        percent,
		"https://127.0.0.1%00.example/":   percent,
		"https://１２７.0.0.1/":              unicode,
		"https://127。0。0。1/":              unicode,
		"https://good.example@127.0.0.1/": user,
		"https://:@127.0.0.1/":            user,
		`https://good.example\@127.0.0.1`: slash,
		`https://127.0.0.1\good.example/`: slash,
		"https://good.example\t/":         control,
		"https://127.0.0.1\n/":            control,
		"https://127.0.0.1 /":             control,
		"https://localhost../":            "has a host that has an empty or overlong label; use 1 to 63 bytes between the dots",
		"https://127.0.0.1;x/":            "has a host that has a character no name has; use letters, digits, hyphens, underscores and dots",
		`https:\\127.0.0.1/`:              "has no host; write it as https://host/path",
		"https:127.0.0.1":                 "has no host; write it as https://host/path",
		"https:////127.0.0.1/":            "has no host; write it as https://host/path",
		"https://[127.0.0.1]/":            "is not a valid URL; write it as https://host/path",
		"https://::1/":                    "is not a valid URL; write it as https://host/path",
		"https://127.0.0.1:80:443/":       "is not a valid URL; write it as https://host/path",
		"http://hooks.example/":           "is not encrypted; use https, or allow it with Network.AllowHTTP",
		"gopher://127.0.0.1/":             "is not an https URL; write it as https://host/path",
		"file:///etc/passwd":              "is not an https URL; write it as https://host/path",
	} {
		created, updated := webhook.Endpoint{URL: url, Events: []string{"*"}}, stored
		updated.URL = url
		_, createErr := r.Tenant(acme).CreateEndpoint(t.Context(), created)
		_, updateErr := r.Tenant(acme).UpdateEndpoint(t.Context(), updated)
		for _, err := range []error{createErr, updateErr} {
			field, ok := errors.AsType[*webhook.FieldError](err)
			require.True(t, ok, "%q: %v", url, err)
			assert.Equal(t, "Endpoint.URL", field.Field)
			assert.Equal(t, want, field.Problem+"; "+field.Cure, "%q", url)
		}
	}
	page, err := r.Tenant(acme).Endpoints(t.Context(), webhook.Query{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.Equal(t, stored.URL, page.Items[0].URL)
}

// listen opens a port of loopback and counts its connections.
func listen(t *testing.T) (port string, reached *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	count := new(atomic.Int32)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			_ = conn.Close()
		}
	}()
	_, port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port, count
}

func TestWhatWasAllowedOnceIsJudgedAnewWhenItIsSentTo(t *testing.T) {
	port, reached := listen(t)
	store := memstore.New(memstore.Options{})
	open, err := webhook.New(store, webhook.Config{Logger: quiet, Network: webhook.Network{AllowHTTP: true, AllowPrivate: true, AllowLoopback: true}})
	require.NoError(t, err)
	for id, url := range map[string]string{
		"http": "http://hooks.example/", "address": "https://127.0.0.1:" + port, "IPv6": "https://[::1]:" + port, "private": "https://10.0.0.1/",
	} {
		_, err = open.Tenant(id).CreateEndpoint(t.Context(), webhook.Endpoint{ID: id, URL: url, Events: []string{"*"}})
		require.NoError(t, err)
	}
	strict, err := webhook.New(store, webhook.Config{Logger: quiet})
	require.NoError(t, err)
	// A name has no address until it is dialed.
	_, err = strict.Tenant("name").CreateEndpoint(t.Context(), webhook.Endpoint{ID: "name", URL: "https://localhost:" + port, Events: []string{"*"}})
	require.NoError(t, err)
	var tests sync.WaitGroup // two seconds each, as with any unreachable receiver
	for _, id := range []string{"http", "address", "IPv6", "private", "name"} {
		tests.Go(func() {
			attempt, err := strict.Tenant(id).Test(t.Context(), id)
			assert.NoError(t, err, id)
			assert.Equal(t, webhook.ClassBlocked, attempt.Class, id)
			assert.Contains(t, attempt.Error, "Network.Allow", id)
			assert.Zero(t, attempt.Status, id)
		})
	}
	tests.Wait()
	assert.Zero(t, reached.Load())
}
