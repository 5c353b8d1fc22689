package sender

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gowebhook/webhook/internal/hookurl"
	"github.com/gowebhook/webhook/internal/netguard"
)

// The URLs that may be accepted, read without net/url, and with no choice left to a parser.
// Before the first slash or question mark there is a name in ASCII or an address in brackets,
// and perhaps a port. The rest has no fragment.
var (
	strictURL  = regexp.MustCompile(`^(?i:(https?))://(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::([0-9]+))?(?:[/?][!-"$-~]*)?$`)
	numberLast = regexp.MustCompile(`(?:^|\.)(?:0[xX][0-9A-Fa-f]*|[0-9]+)\.?$`) // an IPv4 address to some parsers
	quad       = regexp.MustCompile(`^(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})$`)
)

// strictTarget returns the address that a URL leads to as strictURL reads it, and its host.
func strictTarget(t *testing.T, raw string) (addr, host string) {
	t.Helper()
	m := strictURL.FindStringSubmatch(raw)
	if m == nil {
		t.Fatalf("%q has more than one reading", raw)
	}
	host, port := m[2]+m[3], m[4]
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(m[1])]
	}
	return net.JoinHostPort(host, port), host
}

var errDialed = errors.New("dialed")

// dialedBy returns the address that net/http dials for a request.
func dialedBy(t *testing.T, r *http.Request) string {
	t.Helper()
	var dialed []string
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialed = append(dialed, addr)
		return nil, errDialed
	}}
	resp, err := transport.RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, errDialed) || len(dialed) != 1 {
		t.Fatalf("dials %q: %v", dialed, err)
	}
	return dialed[0]
}

// judgeAgain asks package net, which is older than the guard and its tables, about the host of
// an accepted URL.
func judgeAgain(t *testing.T, host string, open bool) {
	t.Helper()
	ip := net.ParseIP(host)
	switch {
	case ip == nil && numberLast.MatchString(host):
		t.Fatalf("%q is a name to us and an address to others", host)
	case ip == nil:
		return // a name, judged when it is dialed
	case !strings.Contains(host, ":") && !quad.MatchString(host):
		t.Fatalf("%q is not the usual form", host)
	case ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast(), ip.Equal(net.IPv4bcast), ip.Equal(net.IPv4(169, 254, 169, 254)):
		t.Fatalf("%v is never accepted", ip)
	case !open && (ip.IsLoopback() || ip.IsPrivate() || ip.To4() == nil && ip[0]>>5 != 1):
		t.Fatalf("%v is not public", ip)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, raw := range []string{
		"https://example.com/a?b", "http://10.0.0.1:80", "https://[::1%25a]/", "https://a@b/", "https://%2f/", "https:\\\\a", "https://a:1:2/",
		"https://[::ffff:10.0.0.1]", "https://a\\b", "https://a;b/", "https://0x0/", "https://[v1.a]/", "https://a/#", "https://a%00/",
		"HTTPS://A.B-c_d.:65535?@/\\", "https://8.8.8.8", "https://8.8.8.8./", "https://[2606:4700::1111]:8443/%2e%2e/", "https://[64:ff9b::1]/",
		"https://a:00000443/", "https://a//b", "https://a?//b@c", "https://1.2.3.4.example./", "https://a.0xg/", "https://a/%zz", "http://[fd00::1]/",
		"https://169.254.1.1/", "https://[fe80::1]/", "https://[]:0/", "HTTPS://0:70000", "https://a@@b", "https://a|@b", "https://%80%00/", "://#\\\\",
	} {
		f.Add(raw, false)
		f.Add(raw, true)
	}
	for _, host := range netLoopbackForms {
		f.Add("https://"+host+"/", true)
	}
	f.Fuzz(func(t *testing.T, raw string, open bool) {
		u, err := hookurl.Check(&netguard.Guard{AllowHTTP: open, AllowPrivate: open, AllowLoopback: open}, raw)
		if err != nil {
			refused, ok := errors.AsType[*hookurl.Error](err)
			if !ok || refused.Problem == "" || refused.Cure == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		again, err := url.Parse(u.String())
		if err != nil || again.Host != u.Host {
			t.Fatalf("%q becomes %q: %v", raw, u, err)
		}
		if u.Scheme != "https" && (u.Scheme != "http" || !open) {
			t.Fatalf("scheme %q", u.Scheme)
		}
		if u.User != nil || u.Fragment != "" || u.Opaque != "" || u.Host == "" || len(raw) > 2048 {
			t.Fatalf("%#v", u)
		}
		// A strict reader, net/url, the address that net/http dials and the older judge all
		// agree.
		addr, host := strictTarget(t, raw)
		if host != u.Hostname() {
			t.Fatalf("%q has the host %q, and %q to net/url", raw, host, u.Hostname())
		}
		if dialed := dialedBy(t, newHTTPRequest(t.Context(), u, &Request{})); dialed != addr {
			t.Fatalf("%q leads to %q, and net/http dials %q", raw, addr, dialed)
		}
		judgeAgain(t, host, open)
		// One request to that host goes on the wire, for every reader.
		var wire bytes.Buffer
		if err := newHTTPRequest(t.Context(), u, &Request{}).Write(&wire); err != nil {
			t.Fatal(err)
		}
		got, err := http.ReadRequest(bufio.NewReader(&wire))
		if err != nil || got.Host != u.Host || len(got.Header) != 1 {
			t.Fatalf("%q arrives as %v (%v)", raw, got, err)
		}
	})
}
