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
// and in IPv6 everything outside 2000::/3. The application opens two tiers:
//
//   - Guard.AllowPrivate opens the networks a team runs itself: RFC 1918,
//     unique-local, loopback and the shared address space. It does not open
//     the metadata services that cloud providers placed inside them.
//   - Guard.Allow opens what it names and nothing else: link-local, metadata
//     services, translation prefixes and all the rest.
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
// unicast space only. It is immutable after creation and safe for concurrent
// use; copies share the array behind Allow, which must not be changed once
// the Guard is in use.
type Guard struct {
	// AllowPrivate opens RFC 1918, fc00::/7, 127.0.0.0/8, ::1 and
	// 100.64.0.0/10, except for the metadata services known to be in them.
	// Defaults to false.
	AllowPrivate bool

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
	addr := e.Addr
	if _, err := netip.ParseAddr(addr); err != nil {
		addr = strconv.Quote(addr)
	}
	cure := "no option allows it"
	if e.Option != "" {
		cure = "the application can allow it with " + e.Option
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
	for _, prefix := range g.Allow {
		if unmapPrefix(prefix).Contains(addr) {
			return nil
		}
	}
	b := blockOf(addr)
	if b == nil || b.tier == private && g.AllowPrivate {
		return nil
	}
	return &BlockedError{Addr: addr.String(), Block: b.source + " " + b.name, Option: b.option(addr)}
}

// Control has the signature of [net.Dialer.ControlContext]: it judges the
// address that is about to be connected to. Whatever is not TCP to an address
// with a port is blocked. Errors are *[BlockedError].
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
	return g.Check(ap.Addr())
}

// unmapPrefix is [netip.Addr.Unmap] for a prefix: Check compares unmapped
// addresses, which a mapped prefix would never contain.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
