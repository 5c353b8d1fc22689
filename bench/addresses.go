package main

import "crypto/x509"

// Addresses say where the receiver listens.
type addresses struct {
	Plain     string // host:port
	TLSPort   int
	Authority []byte // certificate of the authority, in PEM
}

// roots returns the authority of the receiver's certificates.
func (at addresses) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(at.Authority)
	return pool
}
