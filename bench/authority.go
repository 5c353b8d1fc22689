package main

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
	"time"
)

// An authority issues a certificate to each address of 127.1.0.0/16, so that each is a host.
type authority struct {
	key  *ecdsa.PrivateKey // of the authority and of all hosts
	cert *x509.Certificate

	mu     sync.Mutex
	issued map[string]*tls.Certificate
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, issued: make(map[string]*tls.Certificate)}
	template := certificateTemplate()
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

func certificateTemplate() *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
}

// certificate is a tls.Config.GetCertificate. The host is the address that the client dialed.
func (a *authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	addr := hello.Conn.LocalAddr().(*net.TCPAddr) //nolint:forcetypeassert // bench listens on TCP only
	if ip := addr.IP.To4(); ip == nil || ip[0] != 127 || ip[1] != 1 {
		return nil, fmt.Errorf("%v is not a host", hello.Conn.LocalAddr())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if cert := a.issued[addr.IP.String()]; cert != nil {
		return cert, nil
	}
	template := certificateTemplate()
	template.IPAddresses = []net.IP{addr.IP}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	a.issued[addr.IP.String()] = cert
	return cert, nil
}

// pem returns the certificate of the authority.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}
