// Package netguard decides which addresses a webhook may be sent to.
//
// A [Guard] judges with the same tables in three places:
//
//   - [Guard.CheckHost] judges the host of a URL when the URL is written down. It tells the
//     person who typed the URL at once.
//   - [Guard.Check] judges a known address.
//   - [Guard.Control] judges inside the dialer, on every dial, after the name was resolved
//     and before the first packet. Only this one is a defense, because a name may resolve to
//     another address a second later.
//
// # Allowed addresses
//
// The Guard denies every address that the IANA special-purpose registries set apart, and in
// IPv6 everything outside 2000::/3. The application may open three tiers:
//
//   - Guard.AllowPrivate opens the networks a team runs itself: RFC 1918, unique-local and
//     the shared address space. It does not open the metadata services that cloud providers
//     placed inside them.
//   - Guard.AllowLoopback opens 127.0.0.0/8 and ::1.
//   - Guard.Allow opens the prefixes that it names and nothing else: link-local, metadata
//     services, translation prefixes and all the rest.
//
// Guard.Deny closes the prefixes that it names, even if another field opens them. Ports are
// judged too.
//
// # Limits of the tables
//
// A network may translate a prefix of its own to IPv4 (RFC 6052, section 2.2). It may route
// global addresses to inside machines. No table has these addresses. In such a network, a
// firewall or an egress proxy must protect the inside.
package netguard

import (
	"context"
	"net/netip"
	"strconv"
	"syscall"
)

// A Guard decides which addresses may be dialed. The zero value allows only the global unicast
// space, and the ports 443 and 1024 and above. It is immutable after creation and safe for
// concurrent use. Copies share the arrays behind its slices, which must not be changed once the
// Guard is in use.
type Guard struct {
	// AllowPrivate opens RFC 1918, fc00::/7 and 100.64.0.0/10, except for the known metadata
	// services in them. Defaults to false.
	AllowPrivate bool

	// AllowLoopback opens 127.0.0.0/8 and ::1. Defaults to false.
	AllowLoopback bool

	// AllowHTTP opens port 80, unless Ports is set. Defaults to false.
	AllowHTTP bool

	// Deny closes every address in these prefixes, even if other fields open it. It also closes
	// every IPv6 address that is known to embed one of them. Mapped prefixes are as in Allow.
	// Defaults to nil, which closes nothing.
	Deny []netip.Prefix

	// Ports are the only ports that may be connected to. Defaults to nil: 443, 80 with
	// AllowHTTP, and all from 1024.
	Ports []uint16

	// Allow opens every address in these prefixes, even if the tables deny it. A prefix of
	// IPv4-mapped addresses (::ffff:10.0.0.0/104) means the IPv4 prefix in it (10.0.0.0/8). An
	// IPv6 prefix never covers IPv4. The zero Prefix covers nothing. Defaults to nil, which
	// opens nothing.
	Allow []netip.Prefix
}

// A BlockedError tells why an address may not be dialed. Every method of [Guard] returns it.
// The caller of a dialer finds it inside a *net.OpError.
type BlockedError struct {
	// Addr is the address without port or zone. If the text is not an address, Addr is the
	// whole text.
	Addr string

	// Block is the special block of the address, with the document that sets it apart, for
	// example "RFC 1918 private-use".
	Block string

	// Option is the setting that would allow the address, for example "Network.AllowPrivate" or
	// "Network.Allow 198.18.0.0/15". It is empty if no setting would.
	Option string
}

// Error names the address, its block and the option that would allow it.
func (e *BlockedError) Error() string {
	cure := "no option allows it"
	if e.Option != "" {
		cure = "the application can allow it with " + e.Option
	}
	addr := e.Addr
	if addr == "" && e.Option == "Network.Ports" {
		return e.Block + " is blocked; " + cure
	}
	if _, err := netip.ParseAddr(addr); err != nil {
		addr = strconv.Quote(addr)
	}
	return "address " + addr + " is blocked (" + e.Block + "); " + cure
}

// Check returns nil if addr may be dialed, and otherwise a *[BlockedError]. An IPv4-mapped
// address is judged as the IPv4 address in it.
func (g Guard) Check(addr netip.Addr) error {
	// Before Unmap, which drops the zone of a mapped address.
	if addr.Zone() != "" {
		return &BlockedError{Addr: addr.WithZone("").String(), Block: "RFC 4007 address with a zone"}
	}
	if !addr.IsValid() {
		return &BlockedError{Block: "not an IP address"}
	}
	addr = addr.Unmap()
	if g.denies(addr) {
		return &BlockedError{Addr: addr.String(), Block: "denied by the application"}
	}
	for _, prefix := range g.Allow {
		if unmapPrefix(prefix).Contains(addr) {
			return nil
		}
	}
	b := blockOf(addr)
	if b == nil || b.tier == private && g.AllowPrivate || b.tier == loopback && g.AllowLoopback {
		if isISATAP(addr) {
			option := "Network.Allow " + netip.PrefixFrom(addr, addr.BitLen()).String()
			return &BlockedError{Addr: addr.String(), Block: "RFC 5214 ISATAP", Option: option}
		}
		return nil
	}
	return &BlockedError{Addr: addr.String(), Block: b.source + " " + b.name, Option: b.option(addr)}
}

// denies reports whether Deny closes an address or its embedded IPv4 address.
func (g Guard) denies(addr netip.Addr) bool {
	if len(g.Deny) == 0 {
		return false
	}
	inner, embeds := embedded(addr)
	for _, prefix := range g.Deny {
		prefix = unmapPrefix(prefix)
		if prefix.Contains(addr) || embeds && prefix.Contains(inner) {
			return true
		}
	}
	return false
}

// Control has the signature of [net.Dialer.ControlContext]. It judges the address of a
// connection that is about to be made. It blocks everything but TCP to an allowed address with
// an allowed port. Errors are *[BlockedError].
func (g Guard) Control(_ context.Context, network, address string, _ syscall.RawConn) error {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return &BlockedError{Addr: address, Block: "network " + strconv.Quote(network) + " is not TCP"}
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &BlockedError{Addr: address, Block: "not an IP address and port"}
	}
	if err := g.Check(ap.Addr()); err != nil {
		return err
	}
	if g.CheckPort(ap.Port()) != nil {
		return &BlockedError{Addr: ap.Addr().Unmap().String(), Block: "port " + strconv.Itoa(int(ap.Port())), Option: "Network.Ports"}
	}
	return nil
}

// unmapPrefix is [netip.Addr.Unmap] for a prefix. Check compares unmapped addresses, which a
// mapped prefix would never contain.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
