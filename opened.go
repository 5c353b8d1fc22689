package webhook

import (
	"context"
	"fmt"
	"time"
)

// An openedSetting is a setting with the open values that requests need; see openToSign.
type openedSetting struct {
	endpoint Endpoint
	snapshot Endpoint // see Message.Endpoint
	target   *target  // of the URL; nil if it is not accepted
}

// openWork returns the open endpoint of a delivery, and opens the URL of the delivery's
// snapshot.
func (d *Dispatcher) openWork(ctx context.Context, n *setting, w *work, now time.Time, timeout time.Duration) (*openedSetting, error) {
	o, err := d.openSetting(ctx, n, now, timeout)
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
	ctx context.Context, n *setting, o *openedSetting, snapshot *Endpoint, timeout time.Duration,
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
			d.report(fmt.Errorf("endpoint %q: bodies are made with the present URL: %w", snapshot.ID, err))
			return o.endpoint.URL, nil
		}
	}
	return "", err
}

// openSetting opens a setting, once.
func (d *Dispatcher) openSetting(ctx context.Context, n *setting, now time.Time, timeout time.Duration) (*openedSetting, error) {
	if o := n.opened.Load(); o != nil {
		return o, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	e, missing, err := d.sealer.openToSign(ctx, *n.endpoint, now)
	o := &openedSetting{endpoint: e, snapshot: *snapshotOf(&e), target: d.config.Network.target(e.URL)}
	switch {
	case err != nil:
		return o, err
	case missing != nil:
		d.report(fmt.Errorf("endpoint %q: requests are not signed with an older secret: %w", e.ID, missing))
	default:
		n.opened.Store(o)
	}
	return o, nil
}

// openToSign is open for signing. An older secret that cannot be opened is missing, which is no
// error. A rotation is how an endpoint recovers from a lost key, also while the rotation
// overlaps.
func (s *sealer) openToSign(ctx context.Context, e Endpoint, now time.Time) (opened Endpoint, missing, err error) {
	opened, err = s.open(ctx, e, now)
	if err == nil {
		return opened, nil, nil
	}
	closed := isSealedURL(opened.URL) || len(opened.Secrets) > 0 && isSealed(opened.Secrets[0].Value)
	for _, value := range opened.Header {
		closed = closed || isSealed(value)
	}
	if closed {
		return opened, nil, err
	}
	return opened, err, nil
}

// openToShow opens the parts of a stored endpoint that may be shown. These are its URL, the
// public keys of its key pairs, and with reveal its secrets. It leaves out expired secrets. It
// returns the first error together with the other parts.
func (s *sealer) openToShow(ctx context.Context, e Endpoint, now time.Time, reveal bool) (Endpoint, error) {
	u, first := s.openURL(ctx, &e)
	e.URL = u
	e.Secrets = withoutExpired(e.Secrets, now)
	bound := boundOf(&e) + "secret"
	for i := range e.Secrets {
		one := &e.Secrets[i]
		if reveal {
			if one.Value = s.tryOpen(ctx, one.Value, "a signing secret", bound, &first); !isSealed(one.Value) {
				one.PublicKey = publicKeyOf(one.Value)
			}
			continue
		}
		value := one.Value
		one.Value = ""
		if one.PublicKey == "" {
			continue // not a key pair's
		}
		var err error
		one.PublicKey, err = s.known.get(string(value), bound, func() (string, error) {
			var failed error
			opened := s.tryOpen(ctx, value, "a signing secret", bound, &failed)
			return publicKeyOf(opened), failed
		})
		if first == nil {
			first = err
		}
	}
	return e, first
}
