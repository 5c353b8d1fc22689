package webhook

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebhook/webhook/internal/hookurl"
	"github.com/gowebhook/webhook/internal/netguard"
	"github.com/gowebhook/webhook/internal/sender"
)

const (
	defaultResponseBytes = 16 << 10
	maxResponseBytes     = 1 << 20
)

// Network says where requests may go and how they get there. Its zero value sends over https
// to public addresses only.
//
// Addresses are judged on every dial, after the name was resolved. If the URL of an endpoint
// has an address in place of a name, it is also judged when the endpoint is created or
// updated. Redirects are not followed, compression is not asked for, and the proxy variables
// of the environment are not read.
type Network struct {
	// AllowHTTP lets endpoints have http:// URLs. Others on the way can read and change
	// requests to such URLs. Defaults to false.
	AllowHTTP bool

	// AllowPrivate lets requests go to private networks: RFC 1918, unique-local (fc00::/7) and
	// 100.64.0.0/10. It does not include loopback, or the metadata services that cloud
	// providers placed in these networks. Defaults to false.
	AllowPrivate bool

	// AllowLoopback lets requests go to the machine itself, 127.0.0.0/8 and ::1. Sidecars,
	// agents and debug ports listen there, so use it only for development and tests. Defaults
	// to false.
	AllowLoopback bool

	// Allow lists prefixes of any kind that requests may go to, unless Deny has them. It is the
	// only way to link-local addresses, metadata services, 168.63.129.16, translation prefixes
	// and the like. Defaults to none.
	Allow []netip.Prefix

	// Deny lists prefixes that requests never go to. It overrides Allow, AllowPrivate and
	// AllowLoopback. Use it for the addresses of your own deployment, for example, or a NAT64
	// prefix of your network. An IPv6 address that embeds a denied IPv4 address in a known form
	// is denied too. Defaults to none.
	Deny []netip.Prefix

	// Ports are the only ports that requests may go to, 1 to 65535. Defaults to nil: 443, 80
	// with AllowHTTP, and 1024 to 65535.
	Ports []uint16

	// Proxy is an egress proxy for all requests: an http, https or socks5 URL, with user and
	// password if the proxy needs them. The address of the proxy itself is always allowed.
	//
	// An address in an endpoint's URL is still judged. A name is resolved by the proxy, and
	// then the proxy has to keep requests from private addresses. Defaults to nil, no proxy.
	Proxy *url.URL

	// MaxResponseBytes bounds the bytes of a response body that are kept, at most 1 MiB. The
	// rest of a longer body is not read. A negative value keeps nothing. Zero means the
	// default. Defaults to 16 KiB.
	MaxResponseBytes int

	// Wrap wraps the library's transport, for example for tracing. New calls it once, with a
	// RoundTripper that judges addresses and ports as above, and refuses http unless AllowHTTP
	// is set. So requests that pass through it can go nowhere else.
	//
	// A request should keep the context of the request that it is made from. Without that
	// context, it has a connection of its own. So does a request with Close set. The
	// RoundTripper speaks HTTP/1.1 and reads a request's body to its end before it sends it.
	// Defaults to nil, no wrapper.
	Wrap func(http.RoundTripper) http.RoundTripper

	// TLS has certificate authorities of your own, client certificates and the like. Any
	// receiver that asks gets to see the client certificates. TLS is cloned. Defaults to nil:
	// the system's authorities, and TLS 1.2 or later.
	//
	// ServerName and EncryptedClientHelloConfigList must be empty. MinVersion and MaxVersion
	// must be zero, or at least TLS 1.2. With InsecureSkipVerify anyone on the way can read and
	// change the requests. ClientSessionCache is not used: each endpoint has sessions of its
	// own, unless SessionTicketsDisabled or VerifyPeerCertificate is set.
	TLS *tls.Config
}

// validate returns a *FieldError for the first unusable field.
func (n Network) validate() error {
	for field, prefixes := range map[string][]netip.Prefix{"Allow": n.Allow, "Deny": n.Deny} {
		for i, prefix := range prefixes {
			if !prefix.IsValid() {
				return &FieldError{
					"Config.Network." + field + "[" + strconv.Itoa(i) + "]", "is not a valid prefix",
					"use netip.ParsePrefix and look at its error",
				}
			}
		}
	}
	if i := slices.Index(n.Ports, 0); i >= 0 {
		return &FieldError{"Config.Network.Ports[" + strconv.Itoa(i) + "]", "is 0", "use 1 to 65535"}
	}
	if n.Ports != nil && len(n.Ports) == 0 {
		return &FieldError{"Config.Network.Ports", "is empty", "leave it nil for the default, or list ports"}
	}
	if n.MaxResponseBytes > maxResponseBytes {
		return &FieldError{"Config.Network.MaxResponseBytes", "is more than 1 MiB", "keep less"}
	}
	if n.TLS != nil {
		switch {
		case n.TLS.ServerName != "":
			return &FieldError{
				"Config.Network.TLS.ServerName", "would stand for the host of every endpoint",
				"leave it empty: each certificate is verified for the host of its URL",
			}
		case n.TLS.EncryptedClientHelloConfigList != nil:
			return &FieldError{
				"Config.Network.TLS.EncryptedClientHelloConfigList", "is of one receiver, and no other would accept it",
				"leave it nil",
			}
		case n.TLS.MinVersion != 0 && n.TLS.MinVersion < tls.VersionTLS12:
			return &FieldError{"Config.Network.TLS.MinVersion", "is below TLS 1.2", "leave it zero, or use tls.VersionTLS12 or later"}
		case n.TLS.MaxVersion != 0 && n.TLS.MaxVersion < tls.VersionTLS12:
			return &FieldError{"Config.Network.TLS.MaxVersion", "is below TLS 1.2", "leave it zero, or use tls.VersionTLS12 or later"}
		}
	}
	return n.validateProxy()
}

// validateProxy checks Proxy. It quotes nothing of the URL, which may contain a password.
func (n Network) validateProxy() error {
	const field = "Config.Network.Proxy"
	if n.Proxy == nil {
		return nil
	}
	switch n.Proxy.Scheme {
	case "http", "https", "socks5":
	default:
		return &FieldError{field, "has an unknown scheme", "use http, https or socks5"}
	}
	// Only the form of the host counts: the proxy may have any address.
	anywhere := netguard.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
	if err := anywhere.CheckHost(n.Proxy.Hostname()); err != nil {
		return &FieldError{field, "has no usable host", "write it as http://proxy.example:3128"}
	}
	if !hookurl.ValidPort(n.Proxy) {
		return &FieldError{field, "has a port that is not one of 1 to 65535", "write it as http://proxy.example:3128"}
	}
	return nil
}

func (n Network) guard() netguard.Guard {
	return netguard.Guard{
		AllowPrivate: n.AllowPrivate, AllowLoopback: n.AllowLoopback, AllowHTTP: n.AllowHTTP,
		Allow: n.Allow, Deny: n.Deny, Ports: n.Ports,
	}
}

// sending returns the configuration of a sender for a valid Network.
func (n Network) sending(maxInFlight int) sender.Config {
	return sender.Config{
		Guard: n.guard(), Proxy: n.Proxy, TLS: n.TLS, Wrap: n.Wrap, MaxBody: n.responseLimit(), MaxInFlight: maxInFlight,
	}
}

// loosened names the options that allow more than the defaults do, in the order of their
// danger.
func (n Network) loosened() (options []string) {
	if n.TLS != nil && n.TLS.InsecureSkipVerify {
		options = append(options, "Network.TLS.InsecureSkipVerify")
	}
	if n.AllowLoopback {
		options = append(options, "Network.AllowLoopback")
	}
	if n.AllowPrivate {
		options = append(options, "Network.AllowPrivate")
	}
	if n.AllowHTTP {
		options = append(options, "Network.AllowHTTP")
	}
	return options
}

// warnOfOpenNetwork warns applications that may have copied the options of an example.
func (d *Dispatcher) warnOfOpenNetwork() {
	if options := d.config.Network.loosened(); len(options) > 0 {
		d.config.Logger.Warn("webhook: Config.Network allows more than encrypted requests to public addresses",
			"options", strings.Join(options, ", "))
	}
}

// checkURL parses an endpoint's URL. An error is a *FieldError for field.
func (n Network) checkURL(field, raw string) (*url.URL, error) {
	guard := n.guard()
	u, err := hookurl.Check(&guard, raw)
	if refused, ok := errors.AsType[*hookurl.Error](err); ok {
		err = &FieldError{field, refused.Problem, refused.Cure}
	}
	return u, err
}

// responseLimit returns MaxResponseBytes as a number of bytes.
func (n Network) responseLimit() int {
	if n.MaxResponseBytes == 0 {
		return defaultResponseBytes
	}
	return max(n.MaxResponseBytes, 0)
}

// RoundTripper returns a transport for the application's other requests to addresses that its
// customers choose. Examples are requests to verify that somebody owns a URL, to get an OAuth
// token, or to fetch a picture. Like a webhook, such a request reaches only addresses that the
// Network allows, and every dial is judged. So is every redirect that an [http.Client]
// follows.
//
// Each request has a connection of its own, and its body is read to the end before it is sent.
// A request takes at most 30 seconds, to the end of the response body. At most 1 MiB of the
// response body can be read; a longer body is an error. Errors wrap a [Class] and quote
// nothing that the receiver sent. Wrap and MaxResponseBytes do not apply. An internationalized
// name must be in its xn-- form.
//
// The RoundTripper is safe for concurrent use and starts no goroutine that outlives a request.
// It need not be closed, but response bodies must be. RoundTripper refuses an inconsistent
// Network with a [*FieldError].
//
//	transport, err := network.RoundTripper()
//	client := &http.Client{Transport: transport}
func (n Network) RoundTripper() (transport http.RoundTripper, err error) {
	defer addOperation("round tripper", &err)
	if err := n.validate(); err != nil {
		return nil, err
	}
	return sender.NewRoundTripper[Class](n.sending(1)), nil
}

// Format implements [fmt.Formatter]. User and password of Proxy do not appear, also where a
// Config is printed.
func (n Network) Format(f fmt.State, verb rune) {
	type plain Network // without this method
	printed := plain(n)
	if n.Proxy != nil && n.Proxy.User != nil {
		proxy := *n.Proxy
		proxy.User = url.User("redacted")
		printed.Proxy = &proxy
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), printed)
}
