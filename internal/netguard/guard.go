// Package netguard decides which addresses a webhook may be sent to.
//
// A [Guard] judges with the same tables in three places: [Guard.CheckHost]
// when a URL is written down, [Guard.Check] for an address already in hand,
// and [Guard.Control] inside the dialer, on every dial, after the name was
// resolved and before the first packet. Only the last one is a defense, since
// a name may resolve to something else a second later; the first tells the
// person who typed the URL at once.
//
// # What is allowed
//
// Everything is denied that the IANA special-purpose registries set apart,
// and in IPv6 everything outside 2000::/3. The application opens three tiers:
//
//   - Guard.AllowPrivate opens the networks a team runs itself: RFC 1918,
//     unique-local and the shared address space. It does not open the metadata
//     services that cloud providers placed inside them.
//   - Guard.AllowLoopback opens 127.0.0.0/8 and ::1.
//   - Guard.Allow opens what it names and nothing else: link-local, metadata
//     services, translation prefixes and all the rest.
//
// Guard.Deny closes what it names, whatever opens it. Ports are judged too.
//
// # What it cannot know
//
// A network may translate a prefix of its own to IPv4 (RFC 6052, section
// 2.2), and may route global addresses to inside machines. No table has
// these; where they exist, a firewall or an egress proxy has to hold.
package netguard

import (
	"context"
	"net/netip"
	"strconv"
	"syscall"
)

// Guard says which addresses may be dialed. The zero value allows the global
// unicast space only, and port 443 and those from 1024. It is immutable after
// creation and safe for concurrent use; copies share the arrays behind its
// slices, which must not be changed once the Guard is in use.
type Guard struct {
	// AllowPrivate opens RFC 1918, fc00::/7 and 100.64.0.0/10, except for the
	// metadata services known to be in them. Defaults to false.
	AllowPrivate bool

	// AllowLoopback opens 127.0.0.0/8 and ::1. Defaults to false.
	AllowLoopback bool

	// AllowHTTP opens port 80, unless Ports is set. Defaults to false.
	AllowHTTP bool

	// Deny closes every address in these prefixes, whatever the other fields
	// open, and every IPv6 address that is known to embed one of them. Mapped
	// prefixes are as in Allow. Defaults to nil, which closes nothing.
	Deny []netip.Prefix

	// Ports are the only ports that may be connected to. Defaults to nil: 443,
	// 80 with AllowHTTP, and all from 1024.
	Ports []uint16

	// Allow opens every address in these prefixes, whatever the tables say.
	// A prefix of IPv4-mapped addresses (::ffff:10.0.0.0/104) means the IPv4
	// prefix in it (10.0.0.0/8); an IPv6 prefix never covers IPv4. The zero
	// Prefix covers nothing. Defaults to nil, which opens nothing.
	Allow []netip.Prefix
}

// BlockedError says why an address may not be dialed. Every method of [Guard]
// returns it; the caller of a dialer finds it inside a *net.OpError.
type BlockedError struct {
	// Addr is the address without port or zone, or the whole text where it
	// is not an address.
	Addr string

	// Block is the special block the address is in, with the document that
	// sets it apart, as in "RFC 1918 private-use".
	Block string

	// Option is what would allow the address, as in "Network.AllowPrivate" or
	// "Network.Allow 198.18.0.0/15". It is empty where nothing would.
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

// Check returns nil if addr may be dialed, else a *[BlockedError]. An
// IPv4-mapped address is judged as the IPv4 address in it.
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

// denies reports whether Deny closes an address or the IPv4 address embedded in it.
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

// Control has the signature of [net.Dialer.ControlContext]: it judges the
// address that is about to be connected to. Whatever is not TCP to an address
// with an allowed port is blocked. Errors are *[BlockedError].
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

// unmapPrefix is [netip.Addr.Unmap] for a prefix: Check compares unmapped
// addresses, which a mapped prefix would never contain.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
