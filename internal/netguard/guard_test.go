package netguard

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func prefixes(ss ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range ss {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func covered(ps []netip.Prefix, addr netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func TestAllowPrivateOpensExactlyThePrivateTier(t *testing.T) {
	opened := prefixes("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
	metadata := prefixes(
		"100.80.80.80/32", "100.96.0.96/32", "100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128",
		"fd00:42::42/128", "fd00:c1::a9fe:a9fe/128", "fd00:ec2::23/128", "fd00:100::100:200/128", "fd00:a9fe:a9fe::1/128",
	)
	var addrs []netip.Addr
	for _, b := range boundaries {
		for _, addr := range edges(b.prefix) {
			if addr.IsValid() {
				addrs = append(addrs, addr)
			}
		}
	}
	require.Greater(t, len(addrs), 200)
	for range 10_000 {
		addrs = append(addrs, randomAddr(4), randomAddr(16))
	}
	for _, addr := range addrs {
		zero, private := Guard{}.Check(addr), Guard{AllowPrivate: true}.Check(addr)
		if covered(opened, addr) && !covered(metadata, addr) {
			require.ErrorContains(t, zero, "the application can allow it with Network.AllowPrivate", "%v", addr)
			require.NoError(t, private, "%v", addr)
		} else {
			require.Equal(t, zero, private, "AllowPrivate makes no difference to %v", addr)
		}
	}
}

func randomAddr(size int) netip.Addr {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

func TestAllowOpensWhatItNamesAndNothingElse(t *testing.T) {
	for _, b := range boundaries {
		g := Guard{Allow: prefixes(b.prefix)}
		for i, addr := range edges(b.prefix) {
			switch {
			case !addr.IsValid():
			case i == 1 || i == 2:
				assert.NoError(t, g.Check(addr), "%v in %v", addr, b.prefix)
			default:
				assert.Equal(t, Guard{}.Check(addr), g.Check(addr), "%v outside of %v", addr, b.prefix)
			}
		}
	}
}

func TestFollowingTheAdviceOfAnErrorOpensTheAddress(t *testing.T) {
	for _, b := range boundaries {
		for _, addr := range edges(b.prefix)[1:3] {
			var blocked *BlockedError
			require.ErrorAs(t, Guard{}.Check(addr), &blocked)
			if prefix, ok := strings.CutPrefix(blocked.Option, "Network.Allow "); ok {
				assert.NoError(t, Guard{Allow: prefixes(prefix)}.Check(addr), "%v", addr)
				continue
			}
			guard := map[string]Guard{"Network.AllowPrivate": {AllowPrivate: true}, "Network.AllowLoopback": {AllowLoopback: true}}[blocked.Option]
			assert.NoError(t, guard.Check(addr), "%v", addr)
		}
	}
}

func TestErrorNamesAddressBlockAndOption(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.1":           "address 10.0.0.1 is blocked (RFC 1918 private-use); the application can allow it with Network.AllowPrivate",
		"::ffff:10.0.0.1":    "address 10.0.0.1 is blocked (RFC 1918 private-use); the application can allow it with Network.AllowPrivate",
		"168.63.129.16":      "address 168.63.129.16 is blocked (Azure platform service); the application can allow it with Network.Allow 168.63.129.16/32",
		"64:ff9b::a9fe:a9fe": "address 64:ff9b::a9fe:a9fe is blocked (RFC 6052 IPv4/IPv6 translation); the application can allow it with Network.Allow 64:ff9b::/96",
		"169.254.1.1":        "address 169.254.1.1 is blocked (RFC 3927 link-local); the application can allow it with Network.Allow 169.254.1.1/32",
		"fe80::1%eth0":       "address fe80::1 is blocked (RFC 4007 address with a zone); no option allows it",
	} {
		assert.EqualError(t, Guard{}.Check(netip.MustParseAddr(addr)), want)
	}
	assert.EqualError(t, Guard{}.Check(netip.Addr{}), `address "" is blocked (not an IP address); no option allows it`)
}

func TestMappedAddressIsJudgedAsIPv4(t *testing.T) {
	for addr, want := range map[string]string{
		"::ffff:127.0.0.1":       "RFC 1122 loopback",
		"::ffff:7f00:1":          "RFC 1122 loopback",
		"::ffff:169.254.169.254": "cloud metadata service",
		"::ffff:0.0.0.0":         "RFC 1122 this host",
		"::ffff:8.8.8.8":         allowed,
	} {
		assert.Equal(t, want, judge(t, Guard{}, netip.MustParseAddr(addr)), addr)
	}
	assert.NoError(t, Guard{AllowLoopback: true}.Check(netip.MustParseAddr("::ffff:127.0.0.1")))
}

func TestAllowTreatsMappedPrefixesAsIPv4(t *testing.T) {
	ten := netip.MustParseAddr("10.1.2.3")
	for prefix, opens := range map[string]bool{
		"10.0.0.0/8":            true,
		"::ffff:10.0.0.0/104":   true,
		"::ffff:0.0.0.0/96":     true,
		"::ffff:11.0.0.0/104":   false,
		"::ffff:0.0.0.0/95":     false,
		"::/0":                  false,
		"0.0.0.0/0":             true,
		"::ffff:10.1.2.3/128":   true,
		"::ffff:10.1.2.4/128":   false,
		"::ffff:10.99.99.9/104": true, // host bits are ignored, as in netip
	} {
		g := Guard{Allow: prefixes(prefix)}
		assert.Equal(t, opens, g.Check(ten) == nil, "%v", prefix)
		assert.Equal(t, opens, g.Check(netip.AddrFrom16(ten.As16())) == nil, "mapped, %v", prefix)
	}
	assert.Error(t, Guard{Allow: []netip.Prefix{{}}}.Check(ten), "zero prefix")
}

func TestZoneAndInvalidAreBlockedWhateverIsAllowed(t *testing.T) {
	g := Guard{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "fe80::/10")}
	for _, addr := range []netip.Addr{
		{},
		netip.MustParseAddr("fe80::1%eth0"),
		netip.MustParseAddr("::1%lo"),
		netip.MustParseAddr("2606:4700::1%eth0"),
		netip.MustParseAddr("::ffff:8.8.8.8%eth0"), // Unmap would drop the zone
	} {
		var blocked *BlockedError
		require.ErrorAs(t, g.Check(addr), &blocked, "%v", addr)
		assert.Empty(t, blocked.Option)
	}
}

func TestControlBlocksWhatItCannotRead(t *testing.T) {
	g := Guard{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0")}
	for _, c := range []struct{ network, address string }{
		{"tcp", ""},
		{"tcp", " 1.2.3.4"},
		{"tcp", " 1.2.3.4:80"},
		{"tcp", "1.2.3.4"},
		{"tcp", "1.2.3.4:"},
		{"tcp", "1.2.3.4:http"},
		{"tcp", "1.2.3.4:65536"},
		{"tcp", "127.1:80"},
		{"tcp", "0177.0.0.1:80"},
		{"tcp", ":80"},
		{"tcp", "[::1]"},
		{"tcp", "::1:80:"},
		{"tcp", "[fe80::1%eth0]:80"},
		{"tcp", "host:80"},
		{"udp", "1.2.3.4:80"},
		{"udp4", "1.2.3.4:80"},
		{"ip4", "1.2.3.4"},
		{"unix", "/var/run/docker.sock"},
		{"TCP", "1.2.3.4:80"},
		{"", "1.2.3.4:80"},
	} {
		var blocked *BlockedError
		err := g.Control(t.Context(), c.network, c.address, nil)
		require.ErrorAs(t, err, &blocked, "%+v", c)
		assert.Empty(t, blocked.Option, "%+v", c)
		if !strings.Contains(c.address, "%") {
			assert.Equal(t, c.address, blocked.Addr, "the error shows what could not be read")
		}
	}
}

func TestControlJudgesTheAddressOfEveryTCPNetwork(t *testing.T) {
	for _, network := range []string{"tcp", "tcp4", "tcp6"} {
		for address, opens := range map[string]bool{
			"8.8.8.8:443": true, "[2606:4700::1]:443": true, "[::ffff:8.8.8.8]:443": true,
			"127.0.0.1:443": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "0.0.0.0:443": false, "[::]:443": false,
		} {
			err := Guard{}.Control(t.Context(), network, address, nil)
			assert.Equal(t, opens, err == nil, "%v %v: %v", network, address, err)
		}
	}
}

func TestAllowedAddressCostsNoAllocation(t *testing.T) {
	g := Guard{Allow: prefixes("10.0.0.0/8", "::ffff:192.168.0.0/112")}
	ctx := t.Context()
	for _, address := range []string{"93.184.216.34:443", "[2606:4700::1]:443", "[::ffff:8.8.8.8]:443", "192.168.0.1:8080"} {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if err := g.Control(ctx, "tcp", address, nil); err != nil {
				panic(err)
			}
		}), address)
	}
}

// The name passes CheckHost, so only the dialer can stop it.
func TestDialerWithControlRefusesWhereANameLeads(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, Guard{}.CheckHost("localhost"))

	for _, host := range []string{"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "localhost"} {
		_, err = dial(t, Guard{}, net.JoinHostPort(host, port))
		var blocked *BlockedError
		require.ErrorAs(t, err, &blocked, host)
	}

	allowed, err := dial(t, Guard{AllowLoopback: true}, net.JoinHostPort("localhost", port))
	require.NoError(t, err)
	t.Cleanup(func() { _ = allowed.Close() })

	// Connections are accepted in the order of their arrival. If a refused dial had sent
	// anything, its connection would come first.
	accepted, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = accepted.Close() })
	assert.Equal(t, allowed.LocalAddr().String(), accepted.RemoteAddr().String())
}

func dial(t *testing.T, g Guard, address string) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return (&net.Dialer{ControlContext: g.Control}).DialContext(ctx, "tcp", address)
}

func FuzzControl(f *testing.F) {
	for _, b := range boundaries {
		for _, addr := range edges(b.prefix) {
			f.Add("tcp", net.JoinHostPort(addr.String(), "443"))
		}
	}
	f.Add("tcp4", "8.8.8.8:80")
	f.Add("tcp6", "[fe80::1%eth0]:80")
	f.Add("udp", "8.8.8.8:53")
	for _, address := range []string{"[fC00:0:1:1::1:0]:0", "[0:0:0:0:0:0:0::0]:0", "[a0:]:0", "0:%0:0", "A:A:0", "::0.", "700.:0", "1.0.0.0:0", "[:0"} {
		f.Add("tcp", address) // found by fuzzing
	}
	f.Fuzz(func(t *testing.T, network, address string) {
		if err := (Guard{}).Control(t.Context(), network, address, nil); err != nil {
			var blocked *BlockedError
			require.ErrorAs(t, err, &blocked)
			require.NotEmpty(t, err.Error())
			return
		}
		// The older parser and the predicates of package net must agree that this is a public
		// address.
		require.Contains(t, []string{"tcp", "tcp4", "tcp6"}, network)
		host, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		require.NotEmpty(t, port)
		ip := net.ParseIP(host)
		require.NotNil(t, ip)
		require.True(t, ip.IsGlobalUnicast() && !ip.IsPrivate(), "%v", ip)
		require.True(t, ip.To4() != nil || ip[0]>>5 == 1, "%v is outside of 2000::/3", ip)
		require.NoError(t, Guard{AllowPrivate: true}.Control(t.Context(), network, address, nil))
	})
}
