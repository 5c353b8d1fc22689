package netguard

import "net/netip"

// isISATAP reports whether an IPv6 address ends in the interface identifier of RFC 5214, which
// embeds an IPv4 address under any prefix. If a router of the network speaks the protocol, such
// an address reaches the embedded IPv4 address.
func isISATAP(addr netip.Addr) bool {
	if !addr.Is6() {
		return false
	}
	b := addr.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// embedded returns the IPv4 address that an IPv6 address embeds, if its format is known.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	switch blockOf(addr).sourceOf() {
	case "RFC 3056": // 6to4
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case "RFC 4380": // Teredo: the client, behind its NAT
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	case "RFC 6052", "RFC 8215", "RFC 2765":
		return last, true
	}
	if b[0] == 0 && netip.MustParsePrefix("::/96").Contains(addr) || isISATAP(addr) {
		return last, true
	}
	return netip.Addr{}, false
}

// sourceOf returns the source of a block, or "" for nil.
func (b *block) sourceOf() string {
	if b == nil {
		return ""
	}
	return b.source
}
