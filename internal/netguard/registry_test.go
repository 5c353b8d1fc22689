package netguard

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// registries lists the blocks that the guard must deny: the IANA special-purpose registries
// of both families, and special blocks that are not registered. It is kept apart from the
// tables and from boundaries, which follow each other. So a block that is missing in both
// shows.
var registries = prefixes(
	// IPv4, as registered.
	"0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.88.99.2/32", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32",
	// IPv4, not registered as special: multicast, Azure's host agent, and the service
	// networks of IBM Cloud.
	"224.0.0.0/4", "168.63.129.16/32", "161.26.0.0/16", "166.8.0.0/14",

	// IPv6, as registered. ::ffff:0:0/96 is missing, because it is judged as IPv4.
	"::1/128", "::/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32", "2001:1::1/128",
	"2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28",
	"2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
	// IPv6, not registered as special: multicast, site-local, forms that embed an IPv4
	// address, and all addresses outside global unicast.
	"ff00::/8", "fec0::/10", "::/96", "::ffff:0:0:0/96", "::/3", "4000::/2", "8000::/1",
)

func TestEveryBlockOfTheRegistriesIsDenied(t *testing.T) {
	for _, block := range registries {
		e := edges(block.String())
		for _, addr := range e[1:3] {
			assert.NotEqual(t, allowed, judge(t, Guard{}, addr), "%v of %v", addr, block)
		}
		// The addresses around the block are denied only if they are in a block too.
		for _, addr := range []netip.Addr{e[0], e[3]} {
			if addr.IsValid() && !addr.Is4In6() {
				assert.Equal(t, covered(registries, addr), judge(t, Guard{}, addr) != allowed, "%v around %v", addr, block)
			}
		}
	}
}

// AllowPrivate opens some blocks that contain rows which it must not open.
func TestTablesDenyNothingButTheRegistriesAndWhatIsInThem(t *testing.T) {
	for _, table := range [][]block{ipv4Blocks, ipv6Blocks} {
		for _, b := range table {
			for _, addr := range edges(b.prefix.String())[1:3] {
				assert.True(t, covered(registries, addr), "%v of %v", addr, b.prefix)
			}
		}
	}
}

func TestMappedAddressIsJudgedAsIPv4AtEveryBoundary(t *testing.T) {
	for _, b := range boundaries {
		for _, addr := range edges(b.prefix) {
			if addr.Is4() {
				mapped := netip.AddrFrom16(addr.As16())
				assert.Equal(t, Guard{}.Check(addr), Guard{}.Check(mapped), "%v", mapped)
			}
		}
	}
	for addr, want := range map[string]string{
		"::fffe:ffff:ffff":       "RFC 4291 reserved by the IETF", // one below the mapped block
		"::ffff:0.0.0.0":         "RFC 1122 this host",
		"::ffff:255.255.255.255": "RFC 8190 limited broadcast",
		"::1:0:0:0":              "RFC 4291 reserved by the IETF", // one above the mapped block
	} {
		assert.Equal(t, want, judge(t, Guard{AllowPrivate: true}, netip.MustParseAddr(addr)), addr)
	}
}

func TestZoneIsRefusedAtEveryBoundary(t *testing.T) {
	for _, b := range boundaries {
		for _, addr := range edges(b.prefix) {
			if !addr.IsValid() {
				continue
			}
			zoned := netip.AddrFrom16(addr.As16()).WithZone("1")
			assert.Equal(t, "RFC 4007 address with a zone", judge(t, Guard{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0")}, zoned), "%v", zoned)
		}
	}
}

// metadata has the addresses of services that give credentials, names and similar data to
// any program on a machine of the provider.
var metadata = []string{
	"169.254.169.254", // nearly all providers
	"169.254.169.253", // Amazon's resolver
	"169.254.170.2",   // Amazon ECS
	"169.254.170.23",  // Amazon EKS
	"169.254.0.23",    // Tencent Cloud
	"169.254.42.42",   // Scaleway
	"168.63.129.16",   // Azure
	"192.0.0.192",     // Oracle Cloud, formerly
	"100.100.100.200", // Alibaba Cloud
	"100.96.0.96",     // Volcano Engine
	"100.80.80.80",    // UCloud
	"fd00:ec2::254",   // Amazon EC2
	"fd00:ec2::23",    // Amazon EKS
	"fd20:ce::254",    // Google Cloud
	"fd00:c1::a9fe:a9fe",
	"fd00:42::42",
	"fd00:100::100:200",
	"fd00:a9fe:a9fe::1",
	"fe80::a9fe:a9fe", // OpenStack
}

// embeddings returns the IPv6 addresses that stand for an IPv4 address in some network, or
// once did.
func embeddings(v4 netip.Addr) []netip.Addr {
	var addrs []netip.Addr
	for _, prefix := range []string{"::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"} {
		b := netip.MustParseAddr(prefix).As16()
		copy(b[12:], v4.AsSlice())
		addrs = append(addrs, netip.AddrFrom16(b))
	}
	sixToFour := netip.MustParseAddr("2002::").As16()
	copy(sixToFour[2:], v4.AsSlice())
	server, client := netip.MustParseAddr("2001::").As16(), netip.MustParseAddr("2001:0:808:808::").As16()
	copy(server[4:], v4.AsSlice())
	binary.BigEndian.PutUint32(client[12:], ^binary.BigEndian.Uint32(v4.AsSlice()))                       // Teredo hides it from helpful translators
	for _, prefix := range []string{"2a00:1450::5efe:0:0", "2a00:1450::200:5efe:0:0", "fd00::5efe:0:0"} { // ISATAP
		b := netip.MustParseAddr(prefix).As16()
		copy(b[12:], v4.AsSlice())
		addrs = append(addrs, netip.AddrFrom16(b))
	}
	return append(addrs, netip.AddrFrom16(sixToFour), netip.AddrFrom16(server), netip.AddrFrom16(client))
}

func TestMetadataServicesStayClosedUnlessNamed(t *testing.T) {
	for _, s := range metadata {
		addr := netip.MustParseAddr(s)
		forms := []netip.Addr{addr}
		if addr.Is4() {
			forms = append(forms, embeddings(addr)...)
		}
		for _, form := range forms {
			var blocked *BlockedError
			require.ErrorAs(t, Guard{AllowPrivate: true}.Check(form), &blocked, "%v", form)
			assert.Contains(t, blocked.Option, "Network.Allow ", "%v", form)
		}
		assert.NoError(t, Guard{Allow: []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}}.Check(addr), "%v", addr)
	}
}

func TestNoFormThatEmbedsAnInsideAddressIsOpenedByAllowPrivate(t *testing.T) {
	for _, s := range []string{"127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0"} {
		for _, form := range embeddings(netip.MustParseAddr(s)) {
			if form.Is4In6() {
				continue // judged as IPv4
			}
			assert.NotEqual(t, allowed, judge(t, Guard{AllowPrivate: true}, form), "%v", form)
		}
	}
}
