package main

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"time"
)

// An entrance is an address that can be closed, and opened again.
type entrance struct {
	handler http.Handler
	address string // the one it got at first
	server  *http.Server
}

func (e *entrance) url() string { return "http://" + e.address }

func (e *entrance) open(ctx context.Context) error {
	if e.server != nil {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(e.address, "127.0.0.1:0"))
	if err != nil {
		return err
	}
	e.address = listener.Addr().String()
	e.server = &http.Server{Handler: e.handler, ReadHeaderTimeout: 10 * time.Second}
	go func(s *http.Server) { _ = s.Serve(listener) }(e.server) // if it fails nothing arrives, and the round is void
	return nil
}

func (e *entrance) close() {
	if e.server != nil {
		_ = e.server.Close()
		e.server = nil
	}
}
