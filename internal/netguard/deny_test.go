package netguard

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoopbackIsATierOfItsOwn(t *testing.T) {
	for _, s := range []string{"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"} {
		addr := netip.MustParseAddr(s)
		assert.NotEqual(t, allowed, judge(t, Guard{AllowPrivate: true}, addr), s)
		assert.Equal(t, allowed, judge(t, Guard{AllowLoopback: true}, addr), s)
	}
	for _, s := range []string{"10.0.0.1", "192.168.0.1", "100.64.0.1", "fd00::1", "169.254.169.254", "0.0.0.0", "::", "::127.0.0.1"} {
		assert.NotEqual(t, allowed, judge(t, Guard{AllowLoopback: true}, netip.MustParseAddr(s)), s)
	}
}

func TestDenyIsStrongerThanEveryAllowance(t *testing.T) {
	open := Guard{AllowPrivate: true, AllowLoopback: true, AllowHTTP: true, Allow: prefixes("0.0.0.0/0", "::/0")}
	for _, c := range []struct {
		deny         string
		denied, open []string
	}{
		{"10.1.0.0/16", []string{"10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3"}, []string{"10.0.255.255", "10.2.0.0"}},
		{"::ffff:10.1.0.0/112", []string{"10.1.0.1", "::ffff:10.1.0.1"}, []string{"10.2.0.0"}},
		{"127.0.0.1/32", []string{"127.0.0.1"}, []string{"127.0.0.2", "::1"}},
		{"::1/128", []string{"::1"}, []string{"127.0.0.1"}},
		{"203.0.114.0/24", []string{"203.0.114.7"}, []string{"203.0.115.7"}},
		{"2001:67c:2960:6464::/96", []string{"2001:67c:2960:6464::a00:1"}, []string{"2001:67c:2960:6465::1"}},
		{"10.0.0.0/8", []string{
			"64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1", "2002:a00:1::", "::10.0.0.1", "::ffff:0:10.0.0.1",
			"2a00:1450::5efe:a00:1", "fd00::200:5efe:a00:1", "2001:0:808:808:0:0:f5ff:fffe",
		}, []string{"64:ff9b::11.0.0.1", "2002:b00:1::", "2a00:1450::a00:1"}},
	} {
		g := open
		g.Deny = prefixes(c.deny)
		for _, s := range c.denied {
			var blocked *BlockedError
			require.ErrorAs(t, g.Check(netip.MustParseAddr(s)), &blocked, "%s in %s", s, c.deny)
			assert.Empty(t, blocked.Option)
			assert.Equal(t, "denied by the application", blocked.Block)
			require.ErrorAs(t, g.Control(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(s), 443).String(), nil), &blocked)
		}
		for _, s := range c.open {
			assert.NoError(t, g.Check(netip.MustParseAddr(s)), "%s beside %s", s, c.deny)
		}
	}
	assert.NoError(t, Guard{Deny: []netip.Prefix{{}}}.Check(netip.MustParseAddr("8.8.8.8")), "zero prefix")
}

func TestISATAPAddressesAreDeniedUnderAnyPrefix(t *testing.T) {
	for _, s := range []string{"2a00:1450::5efe:7f00:1", "2a00:1450::200:5efe:7f00:1", "2a00:1450::5efe:808:808", "fd00::5efe:a00:1"} {
		addr := netip.MustParseAddr(s)
		assert.Equal(t, "RFC 5214 ISATAP", judge(t, Guard{AllowPrivate: true, AllowLoopback: true}, addr), s)
		assert.NoError(t, Guard{Allow: []netip.Prefix{netip.PrefixFrom(addr, 128)}}.Check(addr), s)
	}
	for _, s := range []string{"2a00:1450::5eff:7f00:1", "2a00:1450::100:5efe:7f00:1", "2a00:1450::400:5efe:7f00:1", "2a00:1450::1:5efe:7f00:1"} {
		assert.NoError(t, Guard{}.Check(netip.MustParseAddr(s)), s)
	}
}

func TestPortsAreJudgedAtEveryDial(t *testing.T) {
	for _, c := range []struct {
		guard           Guard
		allowed, denied []uint16
	}{
		{Guard{}, []uint16{443, 1024, 8443, 65535}, []uint16{0, 1, 22, 25, 53, 80, 389, 445, 442, 444, 1023}},
		{Guard{AllowHTTP: true}, []uint16{80, 443, 1024}, []uint16{0, 79, 81, 1023}},
		{Guard{Ports: []uint16{443}}, []uint16{443}, []uint16{0, 80, 442, 8443, 65535}},
		{Guard{Ports: []uint16{443}, AllowHTTP: true}, []uint16{443}, []uint16{80}},
		{Guard{Ports: []uint16{25, 80}}, []uint16{25, 80}, []uint16{443}},
	} {
		for _, port := range c.allowed {
			require.NoError(t, c.guard.CheckPort(port), port)
			require.NoError(t, c.guard.Control(t.Context(), "tcp4", "8.8.8.8:"+strconv.Itoa(int(port)), nil), port)
		}
		for _, port := range c.denied {
			require.EqualError(t, c.guard.CheckPort(port), "port "+strconv.Itoa(int(port))+" is blocked; the application can allow it with Network.Ports")
			var blocked *BlockedError
			require.ErrorAs(t, c.guard.Control(t.Context(), "tcp4", "8.8.8.8:"+strconv.Itoa(int(port)), nil), &blocked)
			assert.Equal(t, "8.8.8.8", blocked.Addr)
			assert.Equal(t, "Network.Ports", blocked.Option)
		}
	}
	assert.ErrorContains(t, Guard{}.Control(t.Context(), "tcp", "10.0.0.1:25", nil), "RFC 1918", "the address comes first")
}
