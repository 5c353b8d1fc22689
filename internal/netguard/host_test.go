package netguard

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNameIsLeftToBeResolved(t *testing.T) {
	for _, host := range []string{
		"example.com", "example.com.", "EXAMPLE.com", "localhost", "db", "a-b.c_d.e", "_svc.example.com",
		"1.2.3.4.example", "127.0.0.1.nip.io", "0x7f.example", "1a", "0xg", "x.0xg", "cafe", "x.beef", "7f000001x",
		"xn--mller-kva.example", "3com.com", strings.Repeat("a", 63) + ".example",
		strings.Repeat("a.", 126) + "a", strings.Repeat("a.", 126) + "a.",
	} {
		assert.NoError(t, Guard{}.CheckHost(host), host)
	}
}

func TestLiteralAddressIsJudged(t *testing.T) {
	for host, want := range map[string]string{
		"8.8.8.8":              allowed,
		"2606:4700::1":         allowed,
		"2606:4700:0:0::0001":  allowed,
		"::ffff:8.8.8.8":       allowed,
		"127.0.0.1":            "RFC 1122 loopback",
		"0.0.0.0":              "RFC 1122 this host",
		"10.0.0.1":             "RFC 1918 private-use",
		"169.254.169.254":      "cloud metadata service",
		"::1":                  "RFC 4291 loopback",
		"0:0:0:0:0:0:0:1":      "RFC 4291 loopback",
		"::":                   "RFC 4291 unspecified",
		"::127.0.0.1":          "RFC 4291 IPv4-compatible",
		"::ffff:127.0.0.1":     "RFC 1122 loopback",
		"::ffff:7f00:1":        "RFC 1122 loopback",
		"::ffff:0:127.0.0.1":   "RFC 2765 IPv4-translated",
		"64:ff9b::127.0.0.1":   "RFC 6052 IPv4/IPv6 translation",
		"2002:7f00:1::":        "RFC 3056 6to4",
		"2001::80ff:fffe":      "RFC 4380 Teredo",
		"FD00:EC2::254":        "Amazon EC2 metadata service",
		"fe80::1":              "RFC 4291 link-local",
		"fe80::1%eth0":         "RFC 4007 address with a zone",
		"fe80::1%25eth0":       "RFC 4007 address with a zone",
		"2606:4700::1%x":       "RFC 4007 address with a zone",
		"::ffff:8.8.8.8%eth0":  "RFC 4007 address with a zone",
		"::ffff:8.8.8.8%a.b:c": "RFC 4007 address with a zone",
	} {
		err := Guard{}.CheckHost(host)
		if want == allowed {
			assert.NoError(t, err, host)
			continue
		}
		var blocked *BlockedError
		require.ErrorAs(t, err, &blocked, host)
		assert.Equal(t, want, blocked.Block, host)
	}
	assert.NoError(t, Guard{Allow: prefixes("169.254.0.0/16")}.CheckHost("169.254.169.254"))
}

func TestHostThatIsNeitherNameNorAddressIsRefusedWithACure(t *testing.T) {
	// These hosts are refused even if the application allows every address.
	g := Guard{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0")}
	number := "host ends in a number but is not an IPv4 address: write four decimal numbers without leading zeros, as in 192.0.2.1"
	dot := "host is an address with a dot at the end: remove the dot"
	ipv6 := "host is not an IPv6 address: write it without brackets and port, as in 2001:db8::1"
	label := "host has an empty or overlong label: use 1 to 63 bytes between the dots"
	hyphen := "host has a label that starts or ends with a hyphen: remove the hyphen"
	char := "host has a character no name has: use letters, digits, hyphens, underscores and dots"
	ascii := "host is not in ASCII: write an internationalized name in its xn-- form"
	long := "host is longer than 253 bytes: use a shorter name"
	for host, want := range map[string]string{
		"":                              "host is empty: write a name or an IP address",
		"0177.0.0.1":                    number,
		"2130706433":                    number,
		"0x7f.1":                        number,
		"0X7F.1":                        number,
		"127.1":                         number,
		"127.1.":                        number,
		"127.0.0.1.":                    dot,
		"8.8.8.8.":                      dot,
		"127.0.0.01":                    number,
		"127.0.0.1.1":                   number,
		"127.0.0.256":                   number,
		"0x7f000001":                    number,
		"0x7f.0x0.0x0.0x1":              number,
		"0":                             number,
		"00.00.00.00":                   number,
		"0x":                            number,
		"0x.":                           number,
		"example.0x":                    number,
		"example.0xDEADbeef":            number,
		"example.com.1":                 number,
		"foo.09":                        number,
		"user@127.1":                    number,
		"99999999999999999999999999999": number,
		"[::1]":                         ipv6,
		"::1.":                          ipv6,
		":":                             ipv6,
		"::ffff:0177.0.0.1":             ipv6,
		"127.0.0.1:80":                  ipv6,
		"1:2:3:4:5:6:7:8:9":             ipv6,
		"user:pass@example.com":         ipv6,
		".":                             label,
		"..":                            label,
		"127.0.0.1..":                   label,
		"a..b":                          label,
		".example.com":                  label,
		strings.Repeat("a", 64) + ".b":  label,
		"-a.example":                    hyphen,
		"a-.example":                    hyphen,
		"-":                             hyphen,
		"127.0.0.1%eth0":                char,
		"127.0.0.1 ":                    char,
		" 127.0.0.1x":                   char,
		"exa mple":                      char,
		"a\x00b":                        char,
		"a/b":                           char,
		"a@b":                           char,
		"*.example.com":                 char,
		"１２７.0.0.x":                     ascii,
		"１２７。０。０。１":                     ascii,
		"müller.example":                ascii,
		"a\u00adb.example":              ascii,
		"a\xffb":                        ascii,
		strings.Repeat("a.", 127) + "a": long,
	} {
		err := g.CheckHost(host)
		var bad *HostError
		require.ErrorAs(t, err, &bad, "%q", host)
		assert.EqualError(t, err, want, "%q", host)
	}
}

func TestErrorDoesNotRepeatWhatMayBeAPassword(t *testing.T) {
	for _, host := range []string{"user:hunter2@127.0.0.1", "hunter2@127.1", "hunter2@example.com", "fe80::1%hunter2", "hunter2\n.example"} {
		err := Guard{}.CheckHost(host)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

// inetAton reports whether the C function inet_aton, which getaddrinfo uses, takes s for an
// address: one to four numbers in octal, decimal or hex.
func inetAton(s string) bool {
	parts := strings.Split(strings.TrimSuffix(s, "."), ".")
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		if strings.ContainsAny(part, "_+-") || len(parts) > 4 {
			return false
		}
		switch {
		case len(part) > 2 && (part[1] == 'x' || part[1] == 'X'):
		case len(part) > 1 && part[0] == '0':
			part = "0o" + part[1:]
		}
		if _, err := strconv.ParseUint(part, 0, bits); err != nil {
			return false
		}
	}
	return true
}

func TestInetAtonOracleKnowsTheLegacyForms(t *testing.T) {
	for _, s := range []string{"127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f.1", "0", "0x7f000001", "127.1."} {
		assert.True(t, inetAton(s), s)
	}
	for _, s := range []string{"", "a", "1.2.3.4.5", "256.1.1.1", "example.com", "4294967296"} {
		assert.False(t, inetAton(s), s)
	}
}

func FuzzCheckHost(f *testing.F) {
	for _, s := range []string{
		"example.com", "localhost.", "127.0.0.1", "127.0.0.1.", "8.8.8.8", "0177.0.0.1", "2130706433", "0x7f.1", "127.1", "0", "0x",
		"::1", "[::1]", "fe80::1%eth0", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2606:4700::1", "１２７.0.0.1", "", ".", "a..b", "-",
		// Found by fuzzing.
		"0XX", "00________", "0.0.10.0", "00000000.A", "0:1::%0", "::1.0.0.0", "1:1:1:1::1:1", "0---__.A", "\u07000", "8.8.8.8.",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		err := Guard{}.CheckHost(host)
		require.Equal(t, err, Guard{}.CheckHost(host), "same answer twice")
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.NoError(t, Guard{AllowPrivate: true}.CheckHost(host), "an option only opens")
		if addr, parseErr := netip.ParseAddr(host); parseErr == nil {
			require.NoError(t, Guard{}.Check(addr))
			return
		}
		// Without the final dot of an absolute name, all results are the same.
		bare := strings.TrimSuffix(host, ".")
		require.NoError(t, Guard{}.CheckHost(bare))
		_, parseErr := netip.ParseAddr(bare)
		require.Error(t, parseErr, "what was judged as a name is an address")
		require.False(t, inetAton(host), "a C library takes the name for an address")
		require.NotContains(t, host, "%")
		require.NotContains(t, host, ":")
	})
}
