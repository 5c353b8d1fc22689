package webhook

import (
	"context"
	"fmt"
	"time"
)

// An openedEndpoint is a cached endpoint with the open values that requests need; see
// openToSign.
type openedEndpoint struct {
	endpoint Endpoint
	snapshot Endpoint // see Message.Endpoint
	target   *target  // of the URL; nil if it is not accepted
}

// openWork returns the open endpoint of a delivery, and opens the URL of the delivery's
// snapshot.
func (d *Dispatcher) openWork(ctx context.Context, n *cachedEndpoint, w *work, now time.Time, timeout time.Duration) (*openedEndpoint, error) {
	o, err := d.openCached(ctx, n, now, timeout)
	if err != nil || !isSealedURL(w.snapshot.URL) {
		return o, err
	}
	if w.snapshot.Version == o.endpoint.Version {
		w.snapshot = &o.snapshot
		return o, nil
	}
	snapshot := *w.snapshot
	if sameSealedURL(snapshot.URL, n.endpoint.URL) {
		snapshot.URL = o.endpoint.URL
	} else if snapshot.URL, err = d.openEarlier(ctx, n, o, &snapshot, timeout); err != nil {
		return nil, err
	}
	w.snapshot = &snapshot
	return o, nil
}

// openEarlier returns the URL of an earlier version. If the key of that URL is lost, the
// present URL stands for it, as for a version that is no longer kept.
//
// The key counts as lost if the Cipher, asked again, opens the present URL but not the earlier
// one. If it opens neither, the Cipher may only be unavailable, and openEarlier returns an
// error.
func (d *Dispatcher) openEarlier(
	ctx context.Context, n *cachedEndpoint, o *openedEndpoint, snapshot *Endpoint, timeout time.Duration,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	earlier, err := d.sealer.openURL(ctx, snapshot)
	if err == nil {
		return earlier, nil
	}
	err = fmt.Errorf("version %d: %w", snapshot.Version, err)
	if tag, text, ok := cutSealedURL(n.endpoint.URL); ok {
		if _, failed := d.sealer.openOne(ctx, text, urlBound(n.endpoint, tag)); failed == nil {
			d.reportOf(snapshot.key(), "an earlier URL cannot be opened; bodies are made with the present one", err)
			return o.endpoint.URL, nil
		}
	}
	return "", err
}

// openCached opens a cached endpoint, once.
func (d *Dispatcher) openCached(ctx context.Context, n *cachedEndpoint, now time.Time, timeout time.Duration) (*openedEndpoint, error) {
	if o := n.opened.Load(); o != nil {
		return o, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	e, missing, err := d.sealer.openToSign(ctx, *n.endpoint, now)
	o := &openedEndpoint{endpoint: e, snapshot: *snapshotOf(&e), target: d.config.Network.target(e.URL)}
	switch {
	case err != nil:
		return o, err
	case missing != nil:
		d.reportOf(e.key(), "an older secret cannot be opened; requests are not signed with it", missing)
	default:
		n.opened.Store(o)
	}
	return o, nil
}
