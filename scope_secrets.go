package webhook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// Limits of rotation.
const (
	maxOverlap     = 30 * 24 * time.Hour
	updateAttempts = 5 // of a change that does not depend on the other fields
)

// RotateSecret gives an endpoint a new signing secret and returns it. For overlap, 0 to 30
// days, requests carry signatures with the new secret and the previous one. Then the previous
// one expires. Older secrets keep the expiry of their own rotation. An overlap of 0 ends all
// old secrets now.
//
// An endpoint has at most 10 live secrets. RotateSecret returns a [*FieldError] if there would
// be more.
func (s Scope) RotateSecret(ctx context.Context, id string, overlap time.Duration) (rotated Endpoint, err error) {
	defer addOperation("rotate secret", &err)
	if err := checkRange("overlap", overlap, 0, maxOverlap); err != nil {
		return Endpoint{}, err
	}
	return s.changeSecrets(ctx, id, true, func(e *Endpoint, now time.Time) error {
		live := liveUntil(e.Secrets, now, now.Add(overlap))
		if len(live) >= maxSecrets {
			return &FieldError{
				"Endpoint.Secrets", fmt.Sprintf("has %d live secrets, the limit", len(live)),
				"wait until one expires, call RetireSecrets, or rotate with an overlap of 0",
			}
		}
		profile := s.d.profiles[e.Profile]
		if profile == nil {
			return &FieldError{"Endpoint.Profile", fmt.Sprintf("is unknown: %q", e.Profile), "register it in Config.Profiles"}
		}
		e.Secret = ""
		if err := profile.issue(e); err != nil {
			return err
		}
		if err := s.d.checkSecrets(profile, e, []Secret{e.Secret}); err != nil {
			return err
		}
		e.Secrets = append([]EndpointSecret{secretSince(e.Secret, now)}, live...)
		e.Secret = ""
		return nil
	})
}

// RetireSecrets ends the overlap of a rotation: only the newest secret stays. The returned
// endpoint shows no secret, unless Config.RevealSecrets is set.
func (s Scope) RetireSecrets(ctx context.Context, id string) (retired Endpoint, err error) {
	defer addOperation("retire secrets", &err)
	return s.changeSecrets(ctx, id, false, func(e *Endpoint, _ time.Time) error {
		e.Secrets = e.Secrets[:1:1]
		return nil
	})
}

// liveUntil returns the secrets that are live after now. The newest expires at end, and the
// older ones keep their expiry. If end is now there are none.
func liveUntil(secrets []EndpointSecret, now, end time.Time) []EndpointSecret {
	if !end.After(now) {
		return nil
	}
	var live []EndpointSecret
	for _, old := range secrets {
		if old.ExpiresAt.IsZero() {
			old.ExpiresAt = end
		}
		if old.ExpiresAt.After(now) {
			live = append(live, old)
		}
	}
	return live
}

// changeSecrets applies a change that does not depend on other changes of the endpoint, so it
// repeats the change after a conflict. Secrets that cannot be opened do not stop it: a
// rotation is how an endpoint recovers from a lost key.
func (s Scope) changeSecrets(ctx context.Context, id string, isNew bool, change func(*Endpoint, time.Time) error) (Endpoint, error) {
	if err := s.d.time.keepUp(ctx); err != nil {
		return Endpoint{}, err
	}
	for try := 1; ; try++ {
		e, err := s.stored(ctx, id)
		if err != nil {
			return Endpoint{}, err
		}
		tag := urlTag(e.URL)
		setDefault(&tag, newURLTag())
		e, _ = s.d.sealer.open(ctx, e, s.d.now())
		if err := change(&e, s.d.now()); err != nil {
			return Endpoint{}, err
		}
		updated, err := s.update(ctx, e, tag, isNew)
		if err == nil {
			return updated, nil
		}
		if !errors.Is(err, ErrConflict) || try == updateAttempts {
			return Endpoint{}, err
		}
	}
}

// VerifySecret reports whether secret is one of the endpoint's live signing secrets. Its time
// does not depend on how much of the secret is right. It returns false for an endpoint that
// does not exist, after the work of an endpoint with a single secret. The Store's own time may
// still tell these two cases apart.
func (s Scope) VerifySecret(ctx context.Context, endpointID string, secret Secret) (valid bool, err error) {
	defer addOperation("verify secret", &err)
	if err := s.one(); err != nil {
		return false, err
	}
	found, err := s.d.store.Refresh(ctx, []EndpointKey{{s.tenant, endpointID}})
	if err != nil {
		return false, err
	}
	var live []Secret
	var closed error // a secret that did not open might have matched
	if len(found) == 1 {
		e, err := s.d.sealer.openSecrets(ctx, found[0], s.d.now())
		closed, live = err, liveSecrets(&e, s.d.now())
	} else {
		s.d.sealer.openDecoy(ctx)
	}
	// The number of comparisons is always the same, and so is the length of the digests.
	given := sha256.Sum256([]byte(secret))
	match := 0
	for i := range maxSecrets {
		var have Secret
		if i < len(live) {
			have = live[i]
		}
		sum := sha256.Sum256([]byte(have))
		present := subtle.ConstantTimeEq(int32(min(len(have), 1)), 1)
		match |= present & subtle.ConstantTimeCompare(sum[:], given[:])
	}
	if match == 0 && closed != nil {
		return false, closed
	}
	return match == 1, nil
}
