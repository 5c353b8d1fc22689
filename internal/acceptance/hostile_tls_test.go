package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// hostileCA is the certificate authority of a test.
type hostileCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newHostileCA(t *testing.T) *hostileCA {
	t.Helper()
	ca := new(hostileCA)
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, Subject: pkix.Name{CommonName: "canary authority"}}
	cert := ca.issue(t, template)
	ca.cert, ca.key = cert.Leaf, cert.PrivateKey.(*ecdsa.PrivateKey)
	return ca
}

// issue signs a certificate, by default for 127.0.0.1 and the present time. If the authority
// has no key, the certificate is self-signed.
func (ca *hostileCA) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber = big.NewInt(1)
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	if template.DNSNames == nil {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	parent, signer := ca.cert, ca.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// network returns a Network that trusts the authority.
func (ca *hostileCA) network() webhook.Network {
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	return webhook.Network{TLS: &tls.Config{RootCAs: roots}}
}

// server returns the TLS configuration of a receiver with a valid certificate.
func (ca *hostileCA) server(t *testing.T) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{ca.issue(t, new(x509.Certificate))}}
}

func TestNothingIsSentToAReceiverWhoseTLSIsNotInOrder(t *testing.T) {
	ca := newHostileCA(t)
	canary := pkix.Name{CommonName: "canary\x00\r\n\x1b[31m", Organization: []string{"canary"}}
	days := func(from, to int) x509.Certificate {
		return x509.Certificate{Subject: canary, NotBefore: time.Now().AddDate(0, 0, from), NotAfter: time.Now().AddDate(0, 0, to)}
	}
	expired, future, other := days(-2, -1), days(1, 2), days(-1, 1)
	other.DNSNames = []string{"canary.example", "*.canary.example"}
	forClients, many := days(-1, 1), days(-1, 1)
	forClients.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for i := range 10_000 {
		many.DNSNames = append(many.DNSNames, "canary"+strings.Repeat("x", i%40)+".example")
	}

	listen := reply("HTTP/1.1 200 OK\r\n\r\n")
	raw := func(text string) func(*hostileConn) {
		return func(c *hostileConn) {
			_, _ = c.tcp.Read(make([]byte, 5))
			c.Conn = c.tcp
			c.flood(text, hostileGiB)
		}
	}
	once := func(text string) func(*hostileConn) {
		return func(c *hostileConn) {
			_, _ = c.tcp.Read(make([]byte, 4096))
			_, _ = c.tcp.Write([]byte(text))
		}
	}
	config := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	old := ca.server(t)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	client := ca.server(t)
	client.ClientAuth, client.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
	selfSigned := new(hostileCA).issue(t, &x509.Certificate{Subject: canary})
	none := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}
	receivers := map[string]hostile{
		"self-signed":            {tls: config(selfSigned), text: "the certificate is signed by an unknown authority"},
		"another authority":      {tls: newHostileCA(t).server(t), text: "the certificate is signed by an unknown authority"},
		"expired":                {tls: config(ca.issue(t, &expired)), text: "the certificate has expired or is not valid yet"},
		"not yet valid":          {tls: config(ca.issue(t, &future)), text: "the certificate has expired or is not valid yet"},
		"another name":           {tls: config(ca.issue(t, &other)), text: "the certificate is not valid for 127.0.0.1"},
		"a client's certificate": {tls: config(ca.issue(t, &forClients)), text: "the certificate is not valid"},
		"10,000 names":           {tls: config(ca.issue(t, &many)), text: "the handshake failed"},
		"old versions":           {tls: old, text: "the receiver refused the handshake: tls: protocol version not supported"},
		"wants a certificate":    {tls: client, text: "the receiver refused the handshake: tls: handshake failure"},
		"no certificate":         {tls: none, text: "the receiver refused the handshake: tls: unrecognized name"},
		"plain HTTP":             {handle: once("HTTP/1.1 200 canary\r\n\r\n"), text: "the receiver does not speak TLS"},
		"another protocol":       {handle: once("220 canary ESMTP\r\n"), text: "the receiver does not speak TLS"},
		"nothing but NULs":       {handle: raw("\x00"), text: "the receiver does not speak TLS"},
		"empty records":          {handle: raw("\x16\x03\x03\x00\x00"), text: "the handshake failed"},
		"warnings":               {handle: raw("\x15\x03\x03\x00\x02\x01\x70"), text: "the handshake failed"},
		"a long handshake":       {handle: raw("\x16\x03\x03\x00\x04\x02\xff\xff\xff"), text: "the handshake failed"},
		"a record of 64 KiB":     {handle: raw("\x16\x03\x03\xff\xff"), text: "the receiver does not speak TLS"},
		"an alert":               {handle: once("\x15\x03\x03\x00\x02\x02\x28"), text: "the receiver refused the handshake: tls: handshake failure"},
		"an unknown alert":       {handle: once("\x15\x03\x03\x00\x02\x02\xfe"), text: "the receiver refused the handshake: tls: alert(254)"},
		"a bad ServerHello":      {handle: once("\x16\x03\x03\x00\x0a\x02\x00\x00\x06canary"), text: "the handshake failed"},
	}
	for name, h := range receivers {
		h.class, h.unread = webhook.ClassTLS, true
		if h.handle == nil {
			h.handle = listen
		}
		if h.tls == nil {
			h.tls = new(tls.Config)
		}
		receivers[name] = h
	}
	meet(t, "small", webhook.Config{Network: ca.network()}, receivers)
}
