package sender

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/netguard"
)

// Types of DNS records (RFC 1035 §3.2.2, RFC 3596 §2.1).
const (
	dnsA     = 1
	dnsCNAME = 5
	dnsAAAA  = 28
)

// A dnsRecord of the kind A or AAAA has an address, one of CNAME a target.
type dnsRecord struct {
	owner  string
	kind   uint16
	addr   netip.Addr
	target string
}

// dnsAddrs are A and AAAA records of owner. Mapped addresses are AAAA.
func dnsAddrs(owner string, addrs ...string) []dnsRecord {
	var records []dnsRecord
	for _, s := range addrs {
		addr := netip.MustParseAddr(s)
		kind := uint16(dnsAAAA)
		if addr.Is4() {
			kind = dnsA
		}
		records = append(records, dnsRecord{owner: owner, kind: kind, addr: addr})
	}
	return records
}

func dnsAlias(owner, target string) dnsRecord {
	return dnsRecord{owner: owner, kind: dnsCNAME, target: target}
}

// dnsResolver asks a name server of the test. It answers a question with the records of zone
// for the name, if they are aliases or of the requested kind.
func dnsResolver(t *testing.T, zone func(name string) []dnsRecord) *net.Resolver {
	t.Helper()
	return netServer(t, func(query []byte) []byte { return dnsReply(query, zone) })
}

// dnsReply writes a message as in RFC 1035 §4.1.
func dnsReply(query []byte, zone func(name string) []dnsRecord) []byte {
	var labels []string
	end := 12
	for query[end] != 0 {
		next := end + 1 + int(query[end])
		labels = append(labels, string(query[end+1:next]))
		end = next
	}
	name := strings.Join(labels, ".")
	kind := binary.BigEndian.Uint16(query[end+1:])
	end += 5

	reply := append([]byte(nil), query[:end]...)
	copy(reply[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	records := zone(name)
	if len(records) == 0 {
		reply[3] |= 3 // no such name
	}
	count := uint16(0)
	for _, r := range records {
		if r.kind != kind && r.kind != dnsCNAME {
			continue
		}
		count++
		if r.owner == name {
			reply = append(reply, 0xc0, 12) // as in the question
		} else {
			reply = dnsName(reply, r.owner)
		}
		data := r.addr.AsSlice()
		if r.kind == dnsCNAME {
			data = dnsName(nil, r.target)
		}
		reply = binary.BigEndian.AppendUint16(reply, r.kind)
		reply = append(reply, 0, 1, 0, 0, 0, 0)
		reply = binary.BigEndian.AppendUint16(reply, uint16(len(data)))
		reply = append(reply, data...)
	}
	binary.BigEndian.PutUint16(reply[6:], count)
	return reply
}

func dnsName(b []byte, name string) []byte {
	for label := range strings.SplitSeq(name, ".") {
		b = append(b, byte(len(label)))
		b = append(b, label...)
	}
	return append(b, 0)
}

// A dnsStage has a receiver at 127.0.0.1, the only address that may be reached, and others at
// the same port of addresses that may not.
type dnsStage struct {
	port     string
	trespass atomic.Int32 // connections to the others

	mu    sync.Mutex
	dials map[string]error // by address
}

// The answer ends the connection, so that the next request dials again.
const dnsAnswer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood"

func newDNSStage(t *testing.T) *dnsStage {
	t.Helper()
	s := &dnsStage{dials: map[string]error{}}
	good := netRawServer(t, netReplies(dnsAnswer))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(good, "http://"))
	require.NoError(t, err)
	s.port = port
	for _, host := range []string{"127.0.0.2", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			continue // not every system has these; where it does not, dials tells
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				s.trespass.Add(1)
				_, _ = io.WriteString(conn, strings.Replace(dnsAnswer, "good", "evil", 1))
				_ = conn.Close()
			}
		}()
	}
	return s
}

// transport makes one that may go to the receiver only.
func (s *dnsStage) transport(t *testing.T, zone func(name string) []dnsRecord) *Sender[Class] {
	t.Helper()
	n := Network{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	tr := newSender(n, 1, dnsResolver(t, zone))
	t.Cleanup(tr.CloseIdle)
	return tr
}

// send sends a request to hooks.example, and asserts that no connection went where none may go.
func (s *dnsStage) send(t *testing.T, tr *Sender[Class]) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netPatience)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectDone: func(_, addr string, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dials[addr] = err
	}})
	resp, err := send(ctx, tr, &Request{URL: "http://hooks.example:" + s.port})
	if err == nil {
		assert.Equal(t, "good", string(resp.Body))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr, dialErr := range s.dials {
		if addr != "127.0.0.1:"+s.port {
			_, blocked := errors.AsType[*netguard.BlockedError](dialErr)
			assert.True(t, blocked, "%s was dialed: %v", addr, dialErr)
		}
	}
	assert.Zero(t, s.trespass.Load())
	return err
}

// dial reports whether host was dialed, and how that ended.
func (s *dnsStage) dial(host string) (dialed bool, ended error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended, dialed = s.dials[net.JoinHostPort(host, s.port)]
	return dialed, ended
}

// dnsBad are addresses of every sort that no name may lead to.
var dnsBad = []string{
	"127.0.0.2", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "100.100.100.200", "168.63.129.16",
	"0.0.0.0", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255",
	"::1", "::", "::127.0.0.1", "::ffff:127.0.0.2", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::1",
	"2002:7f00:1::", "2001:0:7f00:1::", "fe80::1", "fec0::1", "fd00::1", "fd00:ec2::254", "ff02::1", "3fff::1", "5f00::1", "4000::1",
}

func TestNameThatRebindsIsJudgedAtEveryDial(t *testing.T) {
	for _, bad := range dnsBad {
		t.Run(bad, func(t *testing.T) {
			s := newDNSStage(t)
			var now atomic.Value
			tr := s.transport(t, func(name string) []dnsRecord { return dnsAddrs(name, now.Load().(string)) })
			now.Store("127.0.0.1")
			require.NoError(t, s.send(t, tr))
			now.Store(bad)
			err := s.send(t, tr)
			require.ErrorIs(t, err, ClassBlocked)
			assert.Contains(t, Describe[Class](err), "address "+netip.MustParseAddr(bad).Unmap().String()+" is blocked")
			now.Store("127.0.0.1")
			require.NoError(t, s.send(t, tr), "a name may be corrected")
		})
	}
}

func TestKeptConnectionGoesWhereItWasJudged(t *testing.T) {
	var rebound atomic.Bool
	tr := new(dnsStage).transport(t, func(name string) []dnsRecord {
		if rebound.Load() {
			return dnsAddrs(name, "169.254.169.254")
		}
		return dnsAddrs(name, "127.0.0.1")
	})
	const reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	url := strings.Replace(netRawServer(t, netReplies(reply, reply)), "127.0.0.1", "hooks.example", 1)
	_, err := netSend(t, tr, &Request{URL: url})
	require.NoError(t, err)
	rebound.Store(true)
	_, err = netSend(t, tr, &Request{URL: url})
	require.NoError(t, err)
	_, err = netSend(t, tr, &Request{URL: url, OwnConn: true})
	require.ErrorIs(t, err, ClassBlocked)
}

func TestAmongManyAddressesOnlyAllowedOnesAreDialed(t *testing.T) {
	for name, good := range map[string]string{"IPv4": "127.0.0.1", "mapped": "::ffff:127.0.0.1"} {
		for _, at := range []int{0, len(dnsBad) / 2, len(dnsBad)} {
			t.Run(name, func(t *testing.T) {
				s := newDNSStage(t)
				addrs := append([]string(nil), dnsBad[:at]...)
				addrs = append(append(addrs, good), dnsBad[at:]...)
				tr := s.transport(t, func(name string) []dnsRecord { return dnsAddrs(name, addrs...) })
				require.NoError(t, s.send(t, tr))
				dialed, err := s.dial("127.0.0.1")
				assert.True(t, dialed)
				assert.NoError(t, err)
			})
		}
	}
}

func TestBlockedIsWhatIsLeftOfBadAddresses(t *testing.T) {
	s := newDNSStage(t)
	err := s.send(t, s.transport(t, func(name string) []dnsRecord { return dnsAddrs(name, dnsBad...) }))
	require.ErrorIs(t, err, ClassBlocked)
	assert.Contains(t, Describe[Class](err), "the application can allow it with Network.Allow")
	for _, bad := range dnsBad {
		dialed, _ := s.dial(netip.MustParseAddr(bad).Unmap().String())
		assert.True(t, dialed, "%s was not tried", bad)
	}
}

// The error is of the address that came first, as of any name with several.
func TestAllowedAddressThatRefusesDoesNotMakeWayForABlockedOne(t *testing.T) {
	s := newDNSStage(t)
	_, s.port, _ = net.SplitHostPort(netClosedAddr(t))
	addrs := append([]string{"127.0.0.1"}, dnsBad...)
	err := s.send(t, s.transport(t, func(name string) []dnsRecord { return dnsAddrs(name, addrs...) }))
	require.Error(t, err)
	assert.Contains(t, []Class{ClassRefused, ClassBlocked}, Classify[Class](err))
}

func TestAliasesAreJudgedByWhereTheyEnd(t *testing.T) {
	chain := func(end string) func(string) []dnsRecord {
		return func(name string) []dnsRecord {
			aliases := []dnsRecord{dnsAlias(name, "a.example"), dnsAlias("a.example", "b.internal"), dnsAlias("b.internal", "metadata.internal")}
			return append(aliases, dnsAddrs("metadata.internal", end)...)
		}
	}
	for _, bad := range []string{"127.0.0.2", "169.254.169.254", "::1", "::ffff:127.0.0.2"} {
		s := newDNSStage(t)
		err := s.send(t, s.transport(t, chain(bad)))
		require.ErrorIs(t, err, ClassBlocked, bad)
		assert.NotContains(t, Describe[Class](err), "metadata.internal")
	}
	s := newDNSStage(t)
	require.NoError(t, s.send(t, s.transport(t, chain("127.0.0.1"))))

	loop := func(name string) []dnsRecord {
		return []dnsRecord{dnsAlias(name, "a.example"), dnsAlias("a.example", name)}
	}
	require.ErrorIs(t, s.send(t, s.transport(t, loop)), ClassDNS)
	local := func(name string) []dnsRecord { return []dnsRecord{dnsAlias(name, "localhost")} }
	require.ErrorIs(t, s.send(t, s.transport(t, local)), ClassDNS, "nobody says where localhost is")
}
