package netguard

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allowed and none stand in boundaries in place of a block's name. With allowed, the guard
// allows the address. With none, the address space ends there.
const (
	allowed = ""
	none    = "none"
)

// boundaries names, for each block, the blocks of its first and last address and of the two
// addresses around it. It is copied from the registries, not from the tables, so that a slip
// in a table shows.
var boundaries = []struct{ prefix, before, first, last, after string }{
	{"0.0.0.0/8", none, "RFC 1122 this host", "RFC 791 this network", allowed},
	{"0.0.0.0/32", none, "RFC 1122 this host", "RFC 1122 this host", "RFC 791 this network"},
	{"10.0.0.0/8", allowed, "RFC 1918 private-use", "RFC 1918 private-use", allowed},
	{"100.64.0.0/10", allowed, "RFC 6598 shared address space", "RFC 6598 shared address space", allowed},
	{"100.80.80.80/32", "RFC 6598 shared address space", "UCloud metadata service", "UCloud metadata service", "RFC 6598 shared address space"},
	{"100.96.0.96/32", "RFC 6598 shared address space", "Volcano Engine metadata service", "Volcano Engine metadata service", "RFC 6598 shared address space"},
	{"100.100.100.200/32", "RFC 6598 shared address space", "Alibaba Cloud metadata service", "Alibaba Cloud metadata service", "RFC 6598 shared address space"},
	{"127.0.0.0/8", allowed, "RFC 1122 loopback", "RFC 1122 loopback", allowed},
	{"161.26.0.0/16", allowed, "IBM Cloud service network", "IBM Cloud service network", allowed},
	{"166.8.0.0/14", allowed, "IBM Cloud service network", "IBM Cloud service network", allowed},
	{"168.63.129.16/32", allowed, "Azure platform service", "Azure platform service", allowed},
	{"169.254.0.0/16", allowed, "RFC 3927 link-local", "RFC 3927 link-local", allowed},
	{"169.254.169.254/32", "RFC 3927 link-local", "cloud metadata service", "cloud metadata service", "RFC 3927 link-local"},
	{"172.16.0.0/12", allowed, "RFC 1918 private-use", "RFC 1918 private-use", allowed},
	{"192.0.0.0/24", allowed, "RFC 7335 IPv4 service continuity", "RFC 6890 IETF protocol assignments", allowed},
	{"192.0.0.0/29", allowed, "RFC 7335 IPv4 service continuity", "RFC 7335 IPv4 service continuity", "RFC 7600 IPv4 dummy address"},
	{"192.0.0.8/32", "RFC 7335 IPv4 service continuity", "RFC 7600 IPv4 dummy address", "RFC 7600 IPv4 dummy address", "RFC 7723 Port Control Protocol anycast"},
	{"192.0.0.9/32", "RFC 7600 IPv4 dummy address", "RFC 7723 Port Control Protocol anycast", "RFC 7723 Port Control Protocol anycast", "RFC 8155 TURN anycast"},
	{"192.0.0.10/32", "RFC 7723 Port Control Protocol anycast", "RFC 8155 TURN anycast", "RFC 8155 TURN anycast", "RFC 6890 IETF protocol assignments"},
	{"192.0.0.170/32", "RFC 6890 IETF protocol assignments", "RFC 8880 NAT64/DNS64 discovery", "RFC 8880 NAT64/DNS64 discovery", "RFC 8880 NAT64/DNS64 discovery"},
	{"192.0.0.171/32", "RFC 8880 NAT64/DNS64 discovery", "RFC 8880 NAT64/DNS64 discovery", "RFC 8880 NAT64/DNS64 discovery", "RFC 6890 IETF protocol assignments"},
	{"192.0.2.0/24", allowed, "RFC 5737 documentation TEST-NET-1", "RFC 5737 documentation TEST-NET-1", allowed},
	{"192.31.196.0/24", allowed, "RFC 7535 AS112-v4", "RFC 7535 AS112-v4", allowed},
	{"192.52.193.0/24", allowed, "RFC 7450 AMT anycast", "RFC 7450 AMT anycast", allowed},
	{"192.88.99.0/24", allowed, "RFC 7526 6to4 relay anycast", "RFC 7526 6to4 relay anycast", allowed},
	{"192.88.99.2/32", "RFC 7526 6to4 relay anycast", "RFC 6751 6a44 relay anycast", "RFC 6751 6a44 relay anycast", "RFC 7526 6to4 relay anycast"},
	{"192.168.0.0/16", allowed, "RFC 1918 private-use", "RFC 1918 private-use", allowed},
	{"192.175.48.0/24", allowed, "RFC 7534 direct delegation AS112", "RFC 7534 direct delegation AS112", allowed},
	{"198.18.0.0/15", allowed, "RFC 2544 benchmarking", "RFC 2544 benchmarking", allowed},
	{"198.51.100.0/24", allowed, "RFC 5737 documentation TEST-NET-2", "RFC 5737 documentation TEST-NET-2", allowed},
	{"203.0.113.0/24", allowed, "RFC 5737 documentation TEST-NET-3", "RFC 5737 documentation TEST-NET-3", allowed},
	{"224.0.0.0/4", allowed, "RFC 5771 multicast", "RFC 5771 multicast", "RFC 1112 reserved"},
	{"240.0.0.0/4", "RFC 5771 multicast", "RFC 1112 reserved", "RFC 8190 limited broadcast", none},
	{"255.255.255.255/32", "RFC 1112 reserved", "RFC 8190 limited broadcast", "RFC 8190 limited broadcast", none},

	{"::/3", none, "RFC 4291 unspecified", "RFC 4291 reserved by the IETF", allowed},
	{"::/96", none, "RFC 4291 unspecified", "RFC 4291 IPv4-compatible", "RFC 4291 reserved by the IETF"},
	{"::/128", none, "RFC 4291 unspecified", "RFC 4291 unspecified", "RFC 4291 loopback"},
	{"::1/128", "RFC 4291 unspecified", "RFC 4291 loopback", "RFC 4291 loopback", "RFC 4291 IPv4-compatible"},
	{"::ffff:0:0:0/96", "RFC 4291 reserved by the IETF", "RFC 2765 IPv4-translated", "RFC 2765 IPv4-translated", "RFC 4291 reserved by the IETF"},
	{"64:ff9b::/96", "RFC 4291 reserved by the IETF", "RFC 6052 IPv4/IPv6 translation", "RFC 6052 IPv4/IPv6 translation", "RFC 4291 reserved by the IETF"},
	{"64:ff9b:1::/48", "RFC 4291 reserved by the IETF", "RFC 8215 local-use IPv4/IPv6 translation", "RFC 8215 local-use IPv4/IPv6 translation", "RFC 4291 reserved by the IETF"},
	{"100::/64", "RFC 4291 reserved by the IETF", "RFC 6666 discard-only", "RFC 6666 discard-only", "RFC 9780 dummy prefix"},
	{"100:0:0:1::/64", "RFC 6666 discard-only", "RFC 9780 dummy prefix", "RFC 9780 dummy prefix", "RFC 4291 reserved by the IETF"},
	{"2001::/23", allowed, "RFC 4380 Teredo", "RFC 2928 IETF protocol assignments", allowed},
	{"2001::/32", allowed, "RFC 4380 Teredo", "RFC 4380 Teredo", "RFC 2928 IETF protocol assignments"},
	{"2001:1::1/128", "RFC 2928 IETF protocol assignments", "RFC 7723 Port Control Protocol anycast", "RFC 7723 Port Control Protocol anycast", "RFC 8155 TURN anycast"},
	{"2001:1::2/128", "RFC 7723 Port Control Protocol anycast", "RFC 8155 TURN anycast", "RFC 8155 TURN anycast", "RFC 9665 DNS-SD registration anycast"},
	{"2001:1::3/128", "RFC 8155 TURN anycast", "RFC 9665 DNS-SD registration anycast", "RFC 9665 DNS-SD registration anycast", "RFC 2928 IETF protocol assignments"},
	{"2001:2::/48", "RFC 2928 IETF protocol assignments", "RFC 5180 benchmarking", "RFC 5180 benchmarking", "RFC 2928 IETF protocol assignments"},
	{"2001:3::/32", "RFC 2928 IETF protocol assignments", "RFC 7450 AMT anycast", "RFC 7450 AMT anycast", "RFC 2928 IETF protocol assignments"},
	{"2001:4:112::/48", "RFC 2928 IETF protocol assignments", "RFC 7535 AS112-v6", "RFC 7535 AS112-v6", "RFC 2928 IETF protocol assignments"},
	{"2001:10::/28", "RFC 2928 IETF protocol assignments", "RFC 4843 ORCHID", "RFC 4843 ORCHID", "RFC 7343 ORCHIDv2"},
	{"2001:20::/28", "RFC 4843 ORCHID", "RFC 7343 ORCHIDv2", "RFC 7343 ORCHIDv2", "RFC 9374 drone remote ID"},
	{"2001:30::/28", "RFC 7343 ORCHIDv2", "RFC 9374 drone remote ID", "RFC 9374 drone remote ID", "RFC 2928 IETF protocol assignments"},
	{"2001:db8::/32", allowed, "RFC 3849 documentation", "RFC 3849 documentation", allowed},
	{"2002::/16", allowed, "RFC 3056 6to4", "RFC 3056 6to4", allowed},
	{"2620:4f:8000::/48", allowed, "RFC 7534 direct delegation AS112", "RFC 7534 direct delegation AS112", allowed},
	{"3fff::/20", allowed, "RFC 9637 documentation", "RFC 9637 documentation", allowed},
	{"4000::/2", allowed, "RFC 4291 reserved by the IETF", "RFC 4291 reserved by the IETF", "RFC 4291 reserved by the IETF"},
	{"5f00::/16", "RFC 4291 reserved by the IETF", "RFC 9602 segment routing SIDs", "RFC 9602 segment routing SIDs", "RFC 4291 reserved by the IETF"},
	{"8000::/1", "RFC 4291 reserved by the IETF", "RFC 4291 reserved by the IETF", "RFC 4291 multicast", none},
	{"fc00::/7", "RFC 4291 reserved by the IETF", "RFC 4193 unique-local", "RFC 4193 unique-local", "RFC 4291 reserved by the IETF"},
	{"fd00:42::42/128", "RFC 4193 unique-local", "Scaleway metadata service", "Scaleway metadata service", "RFC 4193 unique-local"},
	{"fd00:c1::a9fe:a9fe/128", "RFC 4193 unique-local", "Oracle Cloud metadata service", "Oracle Cloud metadata service", "RFC 4193 unique-local"},
	{"fd00:100::100:200/128", "RFC 4193 unique-local", "Alibaba Cloud metadata service", "Alibaba Cloud metadata service", "RFC 4193 unique-local"},
	{"fd00:ec2::23/128", "RFC 4193 unique-local", "Amazon EKS credential service", "Amazon EKS credential service", "RFC 4193 unique-local"},
	{"fd00:ec2::254/128", "RFC 4193 unique-local", "Amazon EC2 metadata service", "Amazon EC2 metadata service", "RFC 4193 unique-local"},
	{"fd00:a9fe:a9fe::1/128", "RFC 4193 unique-local", "Akamai Cloud metadata service", "Akamai Cloud metadata service", "RFC 4193 unique-local"},
	{"fd20:ce::254/128", "RFC 4193 unique-local", "Google Cloud metadata service", "Google Cloud metadata service", "RFC 4193 unique-local"},
	{"fe80::/10", "RFC 4291 reserved by the IETF", "RFC 4291 link-local", "RFC 4291 link-local", "RFC 3879 site-local"},
	{"fec0::/10", "RFC 4291 link-local", "RFC 3879 site-local", "RFC 3879 site-local", "RFC 4291 multicast"},
	{"ff00::/8", "RFC 3879 site-local", "RFC 4291 multicast", "RFC 4291 multicast", none},
}

// edges returns the four addresses of a row of boundaries: before, first, last and after.
// An address outside the address space is not valid.
func edges(prefix string) []netip.Addr {
	p := netip.MustParsePrefix(prefix)
	last := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	end, _ := netip.AddrFromSlice(last)
	return []netip.Addr{p.Addr().Prev(), p.Addr(), end, end.Next()}
}

// judge returns the name of the block that makes g refuse addr, or allowed.
func judge(t *testing.T, g Guard, addr netip.Addr) string {
	t.Helper()
	err := g.Check(addr)
	if err == nil {
		return allowed
	}
	var blocked *BlockedError
	require.ErrorAs(t, err, &blocked)
	return blocked.Block
}

func TestEveryBlockIsDeniedFromItsFirstToItsLastAddress(t *testing.T) {
	for _, b := range boundaries {
		t.Run(b.prefix, func(t *testing.T) {
			for i, want := range []string{b.before, b.first, b.last, b.after} {
				addr := edges(b.prefix)[i]
				if want == none {
					assert.False(t, addr.IsValid(), "%v is in the address space", addr)
					continue
				}
				assert.Equal(t, want, judge(t, Guard{}, addr), "%v", addr)
			}
		})
	}
}

func TestEveryRowOfTheTablesHasItsBoundariesTested(t *testing.T) {
	var rows, tested []string
	for _, b := range slices.Concat(ipv4Blocks, ipv6Blocks) {
		rows = append(rows, b.prefix.String())
	}
	for _, b := range boundaries {
		tested = append(tested, b.prefix)
	}
	assert.Equal(t, tested, rows)
}

// blockOf relies on this order.
func TestTablesAreSortedWithOuterBlocksFirst(t *testing.T) {
	for _, table := range [][]block{ipv4Blocks, ipv6Blocks} {
		for i, b := range table {
			assert.Equal(t, b.prefix.Masked(), b.prefix, "row has bits behind its prefix")
			if i > 0 {
				assert.Negative(t, table[i-1].prefix.Compare(b.prefix), "%v is not after %v", b.prefix, table[i-1].prefix)
			}
		}
	}
}

func TestOnly2000Slash3CanBeGlobalInIPv6(t *testing.T) {
	global := netip.MustParsePrefix("2000::/3")
	for high := range 1 << 16 {
		addr := netip.AddrFrom16([16]byte{0: byte(high >> 8), 1: byte(high), 3: 0x99, 15: 0x77})
		if !global.Contains(addr) {
			assert.NotEqual(t, allowed, judge(t, Guard{}, addr), "%v", addr)
		}
	}
}

func TestOrdinaryAddressesAreAllowed(t *testing.T) {
	for _, s := range []string{
		"1.1.1.1", "8.8.8.8", "93.184.216.34", "100.0.0.1", "172.15.0.1", "192.0.1.1", "223.255.255.255",
		"2000::1", "2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1", "3ffe::1",
	} {
		assert.NoError(t, Guard{}.Check(netip.MustParseAddr(s)), s)
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, bench := range []struct{ name, addr string }{
		{"IPv4", "93.184.216.34"},
		{"IPv4High", "223.255.255.255"},
		{"IPv6", "2606:4700:4700::1111"},
		{"Mapped", "::ffff:93.184.216.34"},
		{"Blocked", "10.0.0.1"},
	} {
		addr := netip.MustParseAddr(bench.addr)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = Guard{}.Check(addr)
			}
		})
	}
}
