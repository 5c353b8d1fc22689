package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An identity is the certificate of a receiver at 127.0.0.1, which signs itself.
type identity struct {
	cert, key string // PEM
	pool      *x509.CertPool
	tls       tls.Certificate
}

func newIdentity(t *testing.T) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	id := identity{
		cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		pool: x509.NewCertPool(),
	}
	require.True(t, id.pool.AppendCertsFromPEM([]byte(id.cert)))
	id.tls, err = tls.X509KeyPair([]byte(id.cert), []byte(id.key))
	require.NoError(t, err)
	return id
}

// nginxTLS has its certificate in files.
const nginxTLS = `
keepalive_timeout 2s 2s;
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
ssl_protocols TLSv1.%d;
` + nginxPaths

// Session tickets of TLS 1.3 come after the handshake. They are no bytes that nobody asked
// for, which would end a kept connection: requests in quick succession share one handshake.
// After a longer time, the next connection resumes the session.
func TestOneFullHandshakeServesAnEndpoint(t *testing.T) {
	needNginx(t)
	const endpoints, requests = 24, 20
	id := newIdentity(t)
	sender := &tls.Config{RootCAs: id.pool}
	urls := make(map[string]string)
	for minor, version := range map[int]uint16{2: tls.VersionTLS12, 3: tls.VersionTLS13} {
		config := &tls.Config{Certificates: []tls.Certificate{id.tls}, MinVersion: version, MaxVersion: version}
		inGo := &goReceiver{idle: 2 * time.Second, announces: true, tls: config}
		urls[fmt.Sprint("net/http, TLS 1.", minor)] = "https://" + inGo.start(t)
		inNginx := nginx{
			ssl: true, server: fmt.Sprintf(nginxTLS, minor),
			files: map[string]string{"cert.pem": id.cert, "key.pem": id.key},
		}
		urls[fmt.Sprint("nginx, TLS 1.", minor)] = "https://" + inNginx.start(t)
	}
	// Their connections are kept for a second.
	inOrder, afterwards := make(map[string]*outcome), make(map[string]*outcome)
	var running sync.WaitGroup
	for name, url := range urls {
		first, second := new(outcome), new(outcome)
		inOrder[name], afterwards[name] = first, second
		send := func(to *outcome, requests int, gaps gaps) {
			running.Go(func() {
				*to = traffic{url: url, tls: sender, endpoints: endpoints, requests: requests, gaps: gaps}.send(t)
			})
		}
		send(first, requests, gaps{0})
		send(second, 3, gaps{1100 * time.Millisecond})
	}
	running.Wait()
	for name := range urls {
		t.Run(name, func(t *testing.T) {
			got := inOrder[name]
			for path, requests := range got.requests {
				connections := got.connectionsOf(path)
				t.Logf("%s: %d requests on %d connections", path, requests, connections)
				if path != "/close" {
					assert.Less(t, connections, requests/4)
				}
			}
			for _, got := range []*outcome{inOrder[name], afterwards[name]} {
				t.Logf("%d connections, %d resumed a session", len(got.connections), got.resumed)
				assert.Empty(t, got.shared, "connections of two endpoints")
				assert.Equal(t, len(got.connections)-endpoints, got.resumed, "%v", got.attempts)
			}
		})
	}
}
