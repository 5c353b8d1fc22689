// Package hookurl reads the URLs of endpoints: which of them are accepted, and which server they
// lead to.
package hookurl

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/gowebhook/webhook/internal/netguard"
)

const maxBytes = 2048

// An Error says why a URL is refused. It quotes nothing of the URL but a blocked address, because
// a mangled URL may have a password anywhere.
type Error struct{ Problem, Cure string }

// Error returns both parts as one line.
func (e *Error) Error() string { return e.Problem + "; " + e.Cure }

// Check parses an endpoint's URL. It returns an *Error if guard does not accept the URL, as far
// as that can be known without resolving a name.
func Check(guard *netguard.Guard, raw string) (*url.URL, error) {
	switch {
	case raw == "":
		return nil, &Error{"is empty", "write it as https://host/path"}
	case len(raw) > maxBytes:
		return nil, &Error{"has more than 2,048 bytes", "use a shorter URL"}
	}
	if err := checkBytes(raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		problem := "is not a valid URL"
		cure := "write it as https://host/path"
		switch _, escape := errors.AsType[url.EscapeError](err); {
		case escape && strings.Contains(raw[:HostEnd(raw)], "%"):
			problem, cure = "has a percent sign in its host", "write the host's own letters and digits"
		case escape:
			problem = "has a percent sign without two hexadecimal digits after it"
		}
		return nil, &Error{problem, cure}
	}
	switch {
	case u.Scheme == "http" && !guard.AllowHTTP:
		return nil, &Error{"is not encrypted", "use https, or allow it with Network.AllowHTTP"}
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, &Error{"is not an https URL", "write it as https://host/path"}
	case u.User != nil:
		return nil, &Error{"has a user or password in it", "remove the part before the @; use a header of the endpoint instead"}
	case strings.Contains(raw, "#"): // also an empty fragment, which url.Parse forgets
		return nil, &Error{"has a fragment, which is never sent", "remove the # and the text after it"}
	case u.Hostname() == "":
		return nil, &Error{"has no host", "write it as https://host/path"}
	case !ValidPort(u):
		return nil, &Error{"has a port that is not one of 1 to 65535", "correct it, or remove the colon"}
	}
	if err := guard.CheckHost(u.Hostname()); err != nil {
		return nil, hostError(err)
	}
	if guard.CheckPort(PortOf(u)) != nil {
		return nil, &Error{"has port " + strconv.Itoa(int(PortOf(u))) + ", which is not allowed", portCure(guard)}
	}
	return u, nil
}

// portCure says which ports are allowed.
func portCure(guard *netguard.Guard) string {
	switch {
	case len(guard.Ports) > 8:
		return "use another one, or allow it with Network.Ports"
	case guard.Ports != nil:
		ports := make([]string, len(guard.Ports))
		for i, port := range guard.Ports {
			ports[i] = strconv.Itoa(int(port))
		}
		return "use " + strings.Join(ports, ", ") + ", or allow it with Network.Ports"
	default:
		return "use 443 or one from 1024 to 65535, or allow it with Network.Ports"
	}
}

// checkBytes refuses bytes that other parsers may read in another way than url.Parse.
func checkBytes(raw string) error {
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ' || c == 0x7f:
			return &Error{"has a space or control character in it", "percent-encode it, as in %20"}
		case c >= 0x80:
			cure := "percent-encode it"
			if i < HostEnd(raw) {
				cure = "use the xn-- form of an internationalized name"
			}
			return &Error{"has a character in it that is not ASCII", cure}
		case c == '\\' && i < HostEnd(raw): // some parsers end the host here, for others it is a part of the host
			return &Error{"has a backslash in its host", "write it as https://host/path"}
		}
	}
	return nil
}

// hostError returns the error of netguard about a host as an *Error.
func hostError(err error) error {
	if blocked, ok := errors.AsType[*netguard.BlockedError](err); ok {
		cure := "use a public address"
		if blocked.Option != "" {
			cure += ", or allow this one with " + blocked.Option
		}
		return &Error{"has the blocked address " + blocked.Addr + " (" + blocked.Block + ")", cure}
	}
	if bad, ok := errors.AsType[*netguard.HostError](err); ok {
		return &Error{"has a host that " + bad.Problem, bad.Cure}
	}
	return &Error{"has a host that cannot be used", "use a public name or address"}
}

// HostEnd returns the index in raw where the host and port end, or 0 if there is no host.
func HostEnd(raw string) int {
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

// PortOf returns the port of a URL with a valid one, or the default port of its scheme.
func PortOf(u *url.URL) uint16 {
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(port)
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}

// ValidPort reports whether u has a port from 1 to 65535, or neither port nor colon.
func ValidPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n != 0
}

// Origin returns the scheme, host and port of a URL, for example "https://a.example:443". The
// origin is in lower case, with the default port, without userinfo. Two URLs with the same
// origin reach the same server. It takes URLs that Check accepts. Other URLs that differ
// have different origins.
func Origin(raw string) string {
	end := HostEnd(raw)
	scheme, host, ok := strings.Cut(raw[:end], "://")
	if !ok {
		return raw
	}
	scheme, host = strings.ToLower(scheme), strings.ToLower(host[strings.LastIndexByte(host, '@')+1:])
	if strings.LastIndexByte(host, ':') <= strings.LastIndexByte(host, ']') { // an IPv6 address has colons in its brackets
		switch scheme {
		case "https":
			host += ":443"
		case "http":
			host += ":80"
		}
	}
	return scheme + "://" + host
}

// ShortOrigin is Origin as people write it, for example "https://a.example": without the
// default port.
func ShortOrigin(raw string) string {
	origin := Origin(raw)
	for scheme, port := range map[string]string{"https://": ":443", "http://": ":80"} {
		if strings.HasPrefix(origin, scheme) {
			return strings.TrimSuffix(origin, port)
		}
	}
	return origin
}
