package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/signature"
)

// A receiverCommand sets the state of the receiver. It answers each with a receiverReport.
type receiverCommand struct {
	Forget  bool          // the arrivals until now
	Hang    time.Duration // how long the hanging endpoint takes to answer; zero answers all
	Closes  bool          // close each connection after a response
	Latency bool          // report percentiles
}

// A receiverReport counts the arrivals since the last Forget.
type receiverReport struct {
	At          addresses
	CPU         time.Duration       // since the process began
	Arrivals    map[string]arrivals // by group of endpoints
	Handshakes  int                 // over TLS, also those that resumed a session
	Resumptions int
}

// A receiver is all endpoints: one address for HTTP, and one port for TLS.
type receiver struct {
	mu       sync.Mutex
	report   receiverReport
	inboxes  map[string]*inbox // by group of endpoints
	command  receiverCommand
	released chan struct{} // is closed when the hanging endpoint answers
}

// serveReceiver is the process of the receiver.
func serveReceiver(ctx context.Context, parent pipe) error {
	r := &receiver{released: make(chan struct{})}
	if err := r.listen(ctx); err != nil {
		return err
	}
	for {
		var c receiverCommand
		if err := parent.Decode(&c); err != nil {
			return err
		}
		if err := parent.Encode(r.obey(c)); err != nil {
			return err
		}
	}
}

// listen serves. If a server fails later, nothing arrives and the round is void.
func (r *receiver) listen(ctx context.Context) error {
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	plain, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	secure, err := new(net.ListenConfig).Listen(ctx, "tcp", "0.0.0.0:0")
	if err != nil {
		return err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: authority.certificate, VerifyConnection: r.shaken}
	r.report.At = addresses{Plain: plain.Addr().String(), TLSPort: secure.Addr().(*net.TCPAddr).Port, Authority: authority.pem()}
	// With a ReadHeaderTimeout it would close connections that a client made but has not used.
	// The client of net/http fails the request that takes such a connection.
	server := &http.Server{Handler: r}
	go func() { _ = server.Serve(plain) }()
	go func() { _ = server.Serve(tls.NewListener(secure, config)) }()
	return nil
}

// shaken counts a handshake.
func (r *receiver) shaken(s tls.ConnectionState) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Handshakes++
	if s.DidResume {
		r.report.Resumptions++
	}
	return nil
}

func (r *receiver) obey(c receiverCommand) receiverReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Forget {
		r.inboxes = map[string]*inbox{healthy: newInbox(), hanging: newInbox(), past: newInbox()}
		r.report.Handshakes, r.report.Resumptions = 0, 0
	}
	if c.Hang == 0 {
		close(r.released)
		r.released = make(chan struct{})
	}
	r.command = c
	report := r.report
	report.CPU, report.Arrivals = ownCPU(), make(map[string]arrivals)
	for group, box := range r.inboxes {
		report.Arrivals[group] = box.arrivals(c.Latency)
	}
	return report
}

// ServeHTTP implements [http.Handler].
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body := make([]byte, max(req.ContentLength, 0))
	_, err := io.ReadFull(req.Body, body)
	now := time.Now()
	id := req.Header.Get(signature.HeaderID)
	invalid := errors.Join(err, signature.VerifyStandard(
		secret, id, req.Header.Get(signature.HeaderTimestamp), req.Header.Get(signature.HeaderSignature), body, now))

	group, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	r.mu.Lock()
	box, command, released := r.inboxes[group], r.command, r.released
	r.mu.Unlock()
	if box == nil {
		http.NotFound(w, req)
		return
	}
	box.add(delivery{req.URL.Path, id}, time.Duration(now.UnixNano()-emittedAt(body)), invalid == nil)
	if group == hanging {
		select {
		case <-time.After(command.Hang):
		case <-released:
		case <-req.Context().Done():
		}
	}
	if command.Closes {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(http.StatusNoContent)
}
