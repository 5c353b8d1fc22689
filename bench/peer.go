package main

import "context"

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
	// finish stops delivering, and returns when all bookkeeping has ended.
	finish(ctx context.Context) error
	// logged returns the number of attempts in the log to endpoints that answer, or -1 if the
	// peer has no log.
	logged(ctx context.Context) (int, error)
}
