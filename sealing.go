package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// sealedPrefix begins what a Cipher sealed, in the store. Nothing that is given may begin with it.
const sealedPrefix = "sealed:"

func isSealed(s Secret) bool { return strings.HasPrefix(string(s), sealedPrefix) }

// checkNotSealed refuses a given value that would be taken for a sealed one.
func checkNotSealed(field string, s Secret) error {
	if isSealed(s) {
		return &FieldError{field, `begins with "sealed:", which marks values that are stored encrypted`, "use another value"}
	}
	return nil
}

// A sealer is between the Scope and the Store, for endpoints on their way in, and between them and what signs, on their way out.
type sealer struct{ cipher Cipher }

// seal returns an endpoint as it is to be stored. What is sealed already, because it could not be opened, stays as it is.
func (s sealer) seal(ctx context.Context, e Endpoint) (sealed Endpoint, err error) {
	if s.cipher == nil {
		return e, nil
	}
	defer recovered(&err)
	err = eachSecret(&e, time.Time{}, func(value Secret, field, bound string) (Secret, error) {
		if isSealed(value) {
			return value, nil
		}
		text, err := s.cipher.Seal(ctx, []byte(value), bound)
		if err != nil {
			return value, fmt.Errorf("%s cannot be sealed: %w", field, err)
		}
		if err := checkSealed(text, len(value)); err != nil {
			return value, err
		}
		return Secret(sealedPrefix + text), nil
	})
	return e, err
}

// checkSealed refuses what a column may not hold.
func checkSealed(text string, plain int) error {
	if len(text) > 2*plain+512 {
		return fmt.Errorf("Config.Cipher made %d bytes of %d, more than twice as many and 512", len(text), plain)
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("Config.Cipher returned something other than visible ASCII")
	}
	return nil
}

// open returns a stored endpoint with all that could be opened, but for expired secrets, and what went wrong first.
func (s sealer) open(ctx context.Context, e Endpoint, now time.Time) (opened Endpoint, err error) {
	defer recovered(&err)
	var first error
	err = eachSecret(&e, now, func(value Secret, field, bound string) (Secret, error) {
		if !isSealed(value) {
			return value, nil
		}
		plain, err := s.openOne(ctx, string(value)[len(sealedPrefix):], bound)
		if err != nil {
			if first == nil {
				first = fmt.Errorf("%s cannot be opened: %w", field, err)
			}
			return value, nil
		}
		return Secret(plain), nil
	})
	if err == nil {
		err = first
	}
	return e, err
}

// openSetting returns an endpoint that requests can be made for.
func (d *Dispatcher) openSetting(ctx context.Context, n *setting, now time.Time, timeout time.Duration) (*Endpoint, error) {
	if e := n.opened.Load(); e != nil {
		return e, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	e, missing, err := d.sealer.openToSign(ctx, *n.endpoint, now)
	if err != nil {
		return nil, err
	}
	if missing != nil {
		d.report(fmt.Errorf("endpoint %q: requests are not signed with an older secret: %w", e.ID, missing))
		return &e, nil
	}
	n.opened.Store(&e)
	return &e, nil
}

// openToSign is open for those who sign. An older secret that cannot be opened is missing and no error: rotating is how an endpoint
// recovers from a lost key, also while the rotation overlaps.
func (s sealer) openToSign(ctx context.Context, e Endpoint, now time.Time) (opened Endpoint, missing, err error) {
	opened, err = s.open(ctx, e, now)
	if err == nil {
		return opened, nil, nil
	}
	closed := len(opened.Secrets) > 0 && isSealed(opened.Secrets[0].Value)
	for _, value := range opened.Header {
		closed = closed || isSealed(value)
	}
	if closed {
		return opened, nil, err
	}
	return opened, err, nil
}

// warnOfSecretsInClear is for those who do not know that there is a choice.
func (d *Dispatcher) warnOfSecretsInClear() {
	inMemory, ok := d.store.(interface{ Volatile() bool })
	if d.sealer.cipher == nil && !(ok && inMemory.Volatile()) {
		d.config.Logger.Warn("webhook: signing secrets and header values are stored in clear; set Config.Cipher to seal them")
	}
}

func (s sealer) openOne(ctx context.Context, sealed, bound string) (plain []byte, err error) {
	if s.cipher == nil {
		return nil, errors.New("it is sealed, and Config.Cipher is not set: give New the cipher that sealed it")
	}
	defer recovered(&err)
	return s.cipher.Open(ctx, sealed, bound)
}

// eachSecret replaces every secret and header value of an endpoint, but for secrets that expired by now, with what f returns. Only the
// endpoint itself is changed, not the slices and maps that it came with.
func eachSecret(e *Endpoint, now time.Time, f func(value Secret, field, bound string) (Secret, error)) error {
	e.Secrets, e.Header = slices.Clone(e.Secrets), maps.Clone(e.Header)
	bound := e.Tenant + "\x00" + e.ID + "\x00" // neither has control characters
	for i := range e.Secrets {
		one := &e.Secrets[i]
		if !one.ExpiresAt.IsZero() && !one.ExpiresAt.After(now) {
			continue
		}
		value, err := f(one.Value, "a signing secret", bound+"secret")
		if err != nil {
			return err
		}
		one.Value = value
	}
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		value, err := f(e.Header[name], "the header "+name, bound+"header\x00"+name)
		if err != nil {
			return err
		}
		e.Header[name] = value
	}
	return nil
}
