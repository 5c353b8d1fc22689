package netguard

import (
	"net/netip"
	"strings"
)

// A HostError describes a host that is neither a name nor an address. It does not repeat the
// host, because a mangled URL may have left a password in it.
type HostError struct {
	Problem string // continues "host", for example "is empty"
	Cure    string // advice for a correct host
}

// Error returns the problem and the cure.
func (e *HostError) Error() string {
	return "host " + e.Problem + ": " + e.Cure
}

// CheckHost judges the host of a URL, without port and without brackets, as
// [net/url.URL.Hostname] returns it. It returns nil for a name, because a name says nothing
// about its addresses at the time of the dial. It returns nil for the literal of an address
// that may be dialed.
//
// An address that may not be dialed is a *[BlockedError]. A host that is neither an address in
// its usual form nor a name in ASCII is a *[HostError].
//
// Two forms are refused because parsers disagree about them. The first are the unusual IPv4
// addresses of the WHATWG URL standard, whose last label is a number (127.1, 2130706433,
// 0x7f.1, 0177.0.0.1). The second is an IPv4 address with a dot at its end.
func (g Guard) CheckHost(host string) error {
	if host == "" {
		return &HostError{"is empty", "write a name or an IP address"}
	}
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return &HostError{"is not an IPv6 address", "write it without brackets and port, as in 2001:db8::1"}
		}
		return g.Check(addr)
	}
	host, absolute := strings.CutSuffix(host, ".") // one dot makes a name absolute
	if endsInNumber(host) {
		addr, err := netip.ParseAddr(host)
		switch {
		case err != nil:
			return &HostError{
				"ends in a number but is not an IPv4 address",
				"write four decimal numbers without leading zeros, as in 192.0.2.1",
			}
		case absolute: // an address to browsers, a name to Go's resolver
			return &HostError{"is an address with a dot at the end", "remove the dot"}
		}
		return g.Check(addr)
	}
	return checkName(host)
}

// endsInNumber is the "ends in a number" checker of the WHATWG URL standard. The final dot of
// host must have been removed.
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits, hex := strings.CutPrefix(strings.ToLower(last), "0x")
	if hex {
		return strings.Trim(digits, "0123456789abcdef") == "" // "0x" alone is zero
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// checkName accepts the names that Go's resolver can look up. The final dot of host must have
// been removed. Other alphabets are refused and not mapped, because mapping may turn them into
// an address: fullwidth 127.0.0.1 has digits and dots that are not ASCII.
func checkName(host string) error {
	for i := range len(host) {
		if host[i] >= 0x80 {
			return &HostError{"is not in ASCII", "write an internationalized name in its xn-- form"}
		}
	}
	if len(host) > 253 {
		return &HostError{"is longer than 253 bytes", "use a shorter name"}
	}
	for label := range strings.SplitSeq(host, ".") {
		switch {
		case label == "" || len(label) > 63:
			return &HostError{"has an empty or overlong label", "use 1 to 63 bytes between the dots"}
		case strings.ContainsFunc(label, isNotNameRune):
			return &HostError{"has a character no name has", "use letters, digits, hyphens, underscores and dots"}
		case label[0] == '-' || label[len(label)-1] == '-':
			return &HostError{"has a label that starts or ends with a hyphen", "remove the hyphen"}
		}
	}
	return nil
}

func isNotNameRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
