package main

import (
	"context"
	"fmt"
)

// Names of the peers.
const (
	peerWebhook = "webhook"
	peerRiver   = "river"
	peerLoop    = "loop"
)

var peerNames = []string{peerWebhook, peerRiver, peerLoop}

// A peer is one way to send webhooks.
type peer interface {
	// begin starts to deliver.
	begin(ctx context.Context) error
	// emit returns when the event is stored. The loop stores nothing and returns when it is sent.
	emit(ctx context.Context, e event) error
	// finish ends what begin started, and returns when all bookkeeping has ended.
	finish(ctx context.Context) error
	// logged returns the number of attempts in the log to endpoints that answer, or -1 if the
	// peer has no log.
	logged(ctx context.Context) (int, error)
}

// openPeer opens the peer of a sender.
func (s *sender) openPeer(ctx context.Context) (peer, error) {
	switch s.Peer {
	case peerWebhook:
		return openWebhook(ctx, s)
	case peerRiver:
		return openRiver(ctx, s)
	case peerLoop:
		return openLoop(s)
	}
	return nil, fmt.Errorf("there is no peer %q", s.Peer)
}
