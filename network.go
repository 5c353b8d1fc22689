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

	"github.com/gowebhook/webhook/internal/netguard"
)

const (
	maxURLBytes          = 2048
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
	if !validPort(n.Proxy) {
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

// responseLimit returns MaxResponseBytes as a number of bytes.
func (n Network) responseLimit() int {
	if n.MaxResponseBytes == 0 {
		return defaultResponseBytes
	}
	return max(n.MaxResponseBytes, 0)
}

// checkURL parses an endpoint's URL. An error is a *FieldError for field. It quotes nothing of
// the URL but a blocked address, because a mangled URL may have a password anywhere.
func (n Network) checkURL(field, raw string) (*url.URL, error) {
	switch {
	case raw == "":
		return nil, &FieldError{field, "is empty", "write it as https://host/path"}
	case len(raw) > maxURLBytes:
		return nil, &FieldError{field, "has more than 2,048 bytes", "use a shorter URL"}
	}
	if err := checkURLBytes(field, raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		problem := "is not a valid URL"
		cure := "write it as https://host/path"
		switch escape := isA[url.EscapeError](err); {
		case escape && strings.Contains(raw[:hostEnd(raw)], "%"):
			problem, cure = "has a percent sign in its host", "write the host's own letters and digits"
		case escape:
			problem = "has a percent sign without two hexadecimal digits after it"
		}
		return nil, &FieldError{field, problem, cure}
	}
	switch {
	case u.Scheme == "http" && !n.AllowHTTP:
		return nil, &FieldError{field, "is not encrypted", "use https, or allow it with Network.AllowHTTP"}
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, &FieldError{field, "is not an https URL", "write it as https://host/path"}
	case u.User != nil:
		return nil, &FieldError{field, "has a user or password in it", "remove the part before the @; use a header of the endpoint instead"}
	case strings.Contains(raw, "#"): // also an empty fragment, which url.Parse forgets
		return nil, &FieldError{field, "has a fragment, which is never sent", "remove the # and the text after it"}
	case u.Hostname() == "":
		return nil, &FieldError{field, "has no host", "write it as https://host/path"}
	case !validPort(u):
		return nil, &FieldError{field, "has a port that is not one of 1 to 65535", "correct it, or remove the colon"}
	}
	if err := n.guard().CheckHost(u.Hostname()); err != nil {
		return nil, hostFieldError(field, err)
	}
	if n.guard().CheckPort(portOf(u)) != nil {
		return nil, &FieldError{field, "has port " + strconv.Itoa(int(portOf(u))) + ", which is not allowed", n.portCure()}
	}
	return u, nil
}

// portCure says which ports are allowed.
func (n Network) portCure() string {
	switch {
	case len(n.Ports) > 8:
		return "use another one, or allow it with Network.Ports"
	case n.Ports != nil:
		ports := make([]string, len(n.Ports))
		for i, port := range n.Ports {
			ports[i] = strconv.Itoa(int(port))
		}
		return "use " + strings.Join(ports, ", ") + ", or allow it with Network.Ports"
	default:
		return "use 443 or one from 1024 to 65535, or allow it with Network.Ports"
	}
}

// portOf returns the port of a URL with a valid one, or the default port of its scheme.
func portOf(u *url.URL) uint16 {
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(port)
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}

// checkURLBytes refuses bytes that other parsers may read in another way than url.Parse.
func checkURLBytes(field, raw string) error {
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ' || c == 0x7f:
			return &FieldError{field, "has a space or control character in it", "percent-encode it, as in %20"}
		case c >= 0x80:
			cure := "percent-encode it"
			if i < hostEnd(raw) {
				cure = "use the xn-- form of an internationalized name"
			}
			return &FieldError{field, "has a character in it that is not ASCII", cure}
		case c == '\\' && i < hostEnd(raw): // some parsers end the host here, for others it is a part of the host
			return &FieldError{field, "has a backslash in its host", "write it as https://host/path"}
		}
	}
	return nil
}

// hostEnd returns the index in raw where the host and port end, or 0 if there is no host.
func hostEnd(raw string) int {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return 0
	}
	host := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = i
	}
	return len(raw) - len(rest) + host
}

// hostFieldError returns the error of netguard about a host as a *FieldError for field.
func hostFieldError(field string, err error) error {
	if blocked, ok := errors.AsType[*netguard.BlockedError](err); ok {
		cure := "use a public address"
		if blocked.Option != "" {
			cure += ", or allow this one with " + blocked.Option
		}
		return &FieldError{field, "has the blocked address " + blocked.Addr + " (" + blocked.Block + ")", cure}
	}
	if bad, ok := errors.AsType[*netguard.HostError](err); ok {
		return &FieldError{field, "has a host that " + bad.Problem, bad.Cure}
	}
	return &FieldError{field, "has a host that cannot be used", "use a public name or address"}
}

// validPort reports whether u has a port from 1 to 65535, or neither port nor colon.
func validPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n != 0
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
