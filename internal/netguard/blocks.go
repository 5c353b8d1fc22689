package netguard

import "net/netip"

// tier is the weakest setting that opens a block.
type tier uint8

const (
	// named blocks are opened only by Guard.Allow.
	named tier = iota
	// private blocks are opened by Guard.AllowPrivate too.
	private
	// loopback blocks are opened by Guard.AllowLoopback too.
	loopback
)

// block is a range of addresses that is not ordinary global unicast.
type block struct {
	prefix netip.Prefix
	source string // an RFC, or the provider that uses the block
	name   string
	tier   tier
}

// The tables follow the IANA IPv4 and IPv6 Special-Purpose Address Registries as last updated
// on 2025-10-09. They add multicast, the unassigned space of IPv6, deprecated formats that
// embed an IPv4 address, and cloud metadata and service networks. AllowPrivate decides about
// Alibaba Cloud's other services in 100.64.0.0/10. Others use the same range, for example
// Tailscale, so it cannot be blocked by itself.
//
//	https://www.iana.org/assignments/iana-ipv4-special-registry/
//	https://www.iana.org/assignments/iana-ipv6-special-registry/
//
// Blocks that the registries call globally reachable are denied as well. They are anycast
// services of the network itself, overlays, or translators that reach an address that this
// guard does not see. No receiver of webhooks lives there.
//
// Rows are sorted by address, an outer block before its inner blocks. The last row that
// contains an address is the closest. The search ends at the first row that starts after the
// address.

var ipv4Blocks = []block{
	row("0.0.0.0/8", "RFC 791", "this network", named),
	row("0.0.0.0/32", "RFC 1122", "this host", named), // Linux connects it to loopback
	row("10.0.0.0/8", "RFC 1918", "private-use", private),
	row("100.64.0.0/10", "RFC 6598", "shared address space", private),
	row("100.80.80.80/32", "UCloud", "metadata service", named),
	row("100.96.0.96/32", "Volcano Engine", "metadata service", named),
	row("100.100.100.200/32", "Alibaba Cloud", "metadata service", named),
	row("127.0.0.0/8", "RFC 1122", "loopback", loopback),
	row("161.26.0.0/16", "IBM Cloud", "service network", named), // looks public, but is reachable only from inside
	row("166.8.0.0/14", "IBM Cloud", "service network", named),
	row("168.63.129.16/32", "Azure", "platform service", named), // globally routable, but a host agent inside Azure
	row("169.254.0.0/16", "RFC 3927", "link-local", named),      // 169.254.170.2 and .23 hand out credentials, too
	row("169.254.169.254/32", "cloud", "metadata service", named),
	row("172.16.0.0/12", "RFC 1918", "private-use", private),
	row("192.0.0.0/24", "RFC 6890", "IETF protocol assignments", named), // 192.0.0.192 was Oracle's metadata service
	row("192.0.0.0/29", "RFC 7335", "IPv4 service continuity", named),   // the local end of DS-Lite and 464XLAT
	row("192.0.0.8/32", "RFC 7600", "IPv4 dummy address", named),
	row("192.0.0.9/32", "RFC 7723", "Port Control Protocol anycast", named), // reachable: the nearest NAT
	row("192.0.0.10/32", "RFC 8155", "TURN anycast", named),                 // reachable: the nearest relay
	row("192.0.0.170/32", "RFC 8880", "NAT64/DNS64 discovery", named),
	row("192.0.0.171/32", "RFC 8880", "NAT64/DNS64 discovery", named),
	row("192.0.2.0/24", "RFC 5737", "documentation TEST-NET-1", named),
	row("192.31.196.0/24", "RFC 7535", "AS112-v4", named),          // reachable: anycast DNS sinks, often in the local network
	row("192.52.193.0/24", "RFC 7450", "AMT anycast", named),       // reachable: the nearest multicast tunnel relay
	row("192.88.99.0/24", "RFC 7526", "6to4 relay anycast", named), // deprecated; any network may announce it and answer
	row("192.88.99.2/32", "RFC 6751", "6a44 relay anycast", named), // a relay inside the provider's network
	row("192.168.0.0/16", "RFC 1918", "private-use", private),
	row("192.175.48.0/24", "RFC 7534", "direct delegation AS112", named), // reachable: as AS112-v4
	row("198.18.0.0/15", "RFC 2544", "benchmarking", named),
	row("198.51.100.0/24", "RFC 5737", "documentation TEST-NET-2", named),
	row("203.0.113.0/24", "RFC 5737", "documentation TEST-NET-3", named),
	row("224.0.0.0/4", "RFC 5771", "multicast", named),
	row("240.0.0.0/4", "RFC 1112", "reserved", named),
	row("255.255.255.255/32", "RFC 8190", "limited broadcast", named),
}

// ipv6Blocks lacks ::ffff:0:0/96 of the registry, because mapped addresses are judged as IPv4.
// Outside of 2000::/3 the three reserved rows leave no gap.
var ipv6Blocks = []block{
	row("::/3", "RFC 4291", "reserved by the IETF", named),
	row("::/96", "RFC 4291", "IPv4-compatible", named), // embeds IPv4; deprecated
	row("::/128", "RFC 4291", "unspecified", named),    // Linux connects it to loopback
	row("::1/128", "RFC 4291", "loopback", loopback),
	row("::ffff:0:0:0/96", "RFC 2765", "IPv4-translated", named),    // embeds IPv4
	row("64:ff9b::/96", "RFC 6052", "IPv4/IPv6 translation", named), // embeds IPv4; reachable
	row("64:ff9b:1::/48", "RFC 8215", "local-use IPv4/IPv6 translation", named),
	row("100::/64", "RFC 6666", "discard-only", named),
	row("100:0:0:1::/64", "RFC 9780", "dummy prefix", named),
	row("2001::/23", "RFC 2928", "IETF protocol assignments", named),
	row("2001::/32", "RFC 4380", "Teredo", named),                            // embeds IPv4
	row("2001:1::1/128", "RFC 7723", "Port Control Protocol anycast", named), // reachable: as 192.0.0.9
	row("2001:1::2/128", "RFC 8155", "TURN anycast", named),                  // reachable: as 192.0.0.10
	row("2001:1::3/128", "RFC 9665", "DNS-SD registration anycast", named),   // reachable: the nearest registrar
	row("2001:2::/48", "RFC 5180", "benchmarking", named),
	row("2001:3::/32", "RFC 7450", "AMT anycast", named),      // reachable: as 192.52.193.0/24
	row("2001:4:112::/48", "RFC 7535", "AS112-v6", named),     // reachable: as AS112-v4
	row("2001:10::/28", "RFC 4843", "ORCHID", named),          // deprecated
	row("2001:20::/28", "RFC 7343", "ORCHIDv2", named),        // reachable: hashes of keys, not places
	row("2001:30::/28", "RFC 9374", "drone remote ID", named), // reachable: identifiers, not places
	row("2001:db8::/32", "RFC 3849", "documentation", named),
	row("2002::/16", "RFC 3056", "6to4", named),                            // embeds IPv4
	row("2620:4f:8000::/48", "RFC 7534", "direct delegation AS112", named), // reachable: as AS112-v4
	row("3fff::/20", "RFC 9637", "documentation", named),
	row("4000::/2", "RFC 4291", "reserved by the IETF", named),
	row("5f00::/16", "RFC 9602", "segment routing SIDs", named),
	row("8000::/1", "RFC 4291", "reserved by the IETF", named),
	row("fc00::/7", "RFC 4193", "unique-local", private),
	row("fd00:42::42/128", "Scaleway", "metadata service", named),
	row("fd00:c1::a9fe:a9fe/128", "Oracle Cloud", "metadata service", named),
	row("fd00:100::100:200/128", "Alibaba Cloud", "metadata service", named),
	row("fd00:ec2::23/128", "Amazon EKS", "credential service", named),
	row("fd00:ec2::254/128", "Amazon EC2", "metadata service", named),
	row("fd00:a9fe:a9fe::1/128", "Akamai Cloud", "metadata service", named),
	row("fd20:ce::254/128", "Google Cloud", "metadata service", named),
	row("fe80::/10", "RFC 4291", "link-local", named),
	row("fec0::/10", "RFC 3879", "site-local", named), // deprecated, still private where it is used
	row("ff00::/8", "RFC 4291", "multicast", named),
}

func row(prefix, source, name string, tier tier) block {
	return block{netip.MustParsePrefix(prefix), source, name, tier}
}

func tableOf(addr netip.Addr) []block {
	if addr.Is4() {
		return ipv4Blocks
	}
	return ipv6Blocks
}

// blockOf returns the smallest block that contains addr, or nil.
func blockOf(addr netip.Addr) *block {
	var closest *block
	table := tableOf(addr)
	for i := range table {
		b := &table[i]
		if addr.Less(b.prefix.Addr()) {
			break
		}
		if b.prefix.Contains(addr) {
			closest = b
		}
	}
	return closest
}

// option names the setting that would allow addr, an address of block b. For a translation
// prefix it names the whole block. If b has inner blocks, it names the address alone.
// Otherwise, following the advice for a link-local address would open the metadata services
// too.
func (b *block) option(addr netip.Addr) string {
	switch b.tier {
	case private:
		return "Network.AllowPrivate"
	case loopback:
		return "Network.AllowLoopback"
	case named:
	}
	prefix := b.prefix
	for i := range tableOf(addr) {
		inner := tableOf(addr)[i].prefix
		if inner.Bits() > b.prefix.Bits() && b.prefix.Overlaps(inner) {
			prefix = netip.PrefixFrom(addr, addr.BitLen())
			break
		}
	}
	return "Network.Allow " + prefix.String()
}
