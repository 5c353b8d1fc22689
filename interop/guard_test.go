package interop

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"testing"

	"code.dny.dev/ssrf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/netguard"
)

// A departure is a block in which our guard and code.dny.dev/ssrf disagree.
type departure struct {
	prefix netip.Prefix
	denied bool // by us, and allowed by them
	reason string
}

// departures are all of them. The other guard reads an IPv4-mapped address as IPv6, ours as
// IPv4. A row for a mapped block says how ours judges the IPv4 block.
var departures = []departure{
	{
		netip.MustParsePrefix("168.63.129.16/32"), true,
		"a public address by the registries, but inside Azure it reaches the agent of the host",
	},
	{
		netip.MustParsePrefix("161.26.0.0/16"), true,
		"public addresses by the registries, but IBM Cloud routes them to its services, from inside only",
	},
	{netip.MustParsePrefix("166.8.0.0/14"), true, "as 161.26.0.0/16"},
	{
		netip.MustParsePrefix("::ffff:0:0/96"), false,
		"they deny every mapped address; a dialer connects to the IPv4 address in it, so we judge that, and deny what is special in IPv4",
	},
}

// guardSeed makes a failure repeatable.
const guardSeed = 20261125

// ourRow finds the blocks of our tables, which netguard does not export.
var ourRow = regexp.MustCompile(`(?m)^\trow\("([^"]+)"`)

// specialBlocks are the blocks that either guard sets apart.
func specialBlocks(t *testing.T) []netip.Prefix {
	t.Helper()
	blocks := slices.Concat(ssrf.IPv4DeniedPrefixes, ssrf.IPv6DeniedPrefixes)
	blocks = append(blocks, ssrf.IPv6GlobalUnicast, ssrf.IPv6NAT64Prefix)
	for _, d := range departures {
		blocks = append(blocks, d.prefix)
	}
	source, err := os.ReadFile("../internal/netguard/blocks.go")
	require.NoError(t, err)
	rows := ourRow.FindAllSubmatch(source, -1)
	require.Greater(t, len(rows), 60)
	for _, row := range rows {
		blocks = append(blocks, netip.MustParsePrefix(string(row[1])))
	}
	return blocks
}

// edgesOf returns the first and the last address of p and their neighbours outside p, if there
// are any. For an IPv4 block it adds the mapped forms.
func edgesOf(p netip.Prefix) []netip.Addr {
	first, last := p.Masked().Addr(), lastOf(p)
	var edges []netip.Addr
	for _, addr := range []netip.Addr{first.Prev(), first, last, last.Next()} {
		if addr.IsValid() {
			edges = append(edges, addr)
		}
		if addr.Is4() {
			edges = append(edges, netip.AddrFrom16(addr.As16()))
		}
	}
	return edges
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

// somewhere returns a random address. Half are IPv4. An IPv6 address is anywhere, in 2000::/3,
// in a special block, or shares the first bits of one, with the same chance for each.
func somewhere(r *rand.Rand, blocks []netip.Prefix) netip.Addr {
	if r.IntN(2) == 0 {
		b := [4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	kind, block := r.IntN(4), blocks[r.IntN(len(blocks))]
	switch {
	case kind == 0:
	case kind == 1 || !block.Addr().Is6():
		b[0] = 0x20 | b[0]&0x1f
	default:
		bits := block.Bits()
		if kind == 3 {
			bits = r.IntN(bits + 1)
		}
		from := block.Addr().As16()
		for bit := range bits {
			mask := byte(0x80 >> (bit % 8))
			b[bit/8] = b[bit/8]&^mask | from[bit/8]&mask
		}
	}
	return netip.AddrFrom16(b)
}

// judges are the two guards and the departures that explained a disagreement.
type judges struct {
	theirs *ssrf.Guardian
	ours   netguard.Guard
	seen   map[netip.Prefix]int // by departure
}

// compare fails the test if the guards disagree about addr and no departure says why.
func (j *judges) compare(t *testing.T, addr netip.Addr) {
	ours, theirs := j.ours.Check(addr), j.theirs.SafeAddr(addr)
	if (ours == nil) == (theirs == nil) {
		return
	}
	for _, d := range departures {
		if d.prefix.Contains(addr) && d.denied == (ours != nil) {
			j.seen[d.prefix]++
			return
		}
	}
	t.Errorf("%v: we say %v, they say %v", addr, ours, theirs)
}

func TestGuardAgreesWithAnotherExceptWhereItSaysWhy(t *testing.T) {
	t.Logf("seed %d", uint64(guardSeed))
	j := &judges{theirs: ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork()), seen: map[netip.Prefix]int{}}
	blocks := specialBlocks(t)
	for _, block := range blocks {
		for _, addr := range edgesOf(block) {
			j.compare(t, addr)
		}
	}
	r := rand.New(rand.NewPCG(guardSeed, 0))
	for range 1_000_000 {
		j.compare(t, somewhere(r, blocks))
	}
	for _, d := range departures {
		assert.NotZero(t, j.seen[d.prefix], "they agree about %v now: %s", d.prefix, d.reason)
		assert.NotEmpty(t, d.reason)
	}
}

// The other guard denies all mapped addresses, so it is asked about the IPv4 address in one.
func TestGuardJudgesMappedAddressesAsAnotherJudgesIPv4(t *testing.T) {
	j := &judges{theirs: ssrf.New(), seen: map[netip.Prefix]int{}}
	for _, block := range specialBlocks(t) {
		for _, addr := range edgesOf(block) {
			if addr.Is4() {
				mapped := netip.AddrFrom16(addr.As16())
				require.Equal(t, j.ours.Check(addr), j.ours.Check(mapped), "%v", mapped)
				j.compare(t, mapped.Unmap())
			}
		}
	}
}

// A dialer asks with a network and a port. The guards must agree on these, too.
func TestGuardAgreesWithAnotherInTheDialer(t *testing.T) {
	theirs := ssrf.New(ssrf.WithAnyPort())
	for _, block := range specialBlocks(t) {
		for _, addr := range edgesOf(block) {
			if addr.Is4In6() || slices.ContainsFunc(departures, func(d departure) bool { return d.prefix.Contains(addr) }) {
				continue
			}
			network := "tcp4"
			if addr.Is6() {
				network = "tcp6"
			}
			address := netip.AddrPortFrom(addr, 443).String()
			ours := netguard.Guard{}.Control(t.Context(), network, address, nil)
			assert.Equal(t, theirs.Safe(network, address, nil) == nil, ours == nil, "%v: %v", address, ours)
		}
	}
}
