package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// sealedPrefix begins what a Cipher sealed, in the store. Nothing that is given may begin with it.
const sealedPrefix = "sealed:"

// clearMark begins, in memory, a value that is stored in clear although Config.RequireSealed is
// set. No store has it, because a Cipher returns visible ASCII.
const clearMark = sealedPrefix + "\x00"

// isSealed reports whether a value is closed: sealed, or marked with clearMark.
func isSealed(s Secret) bool { return strings.HasPrefix(string(s), sealedPrefix) }

var errInClear = errors.New("it is stored in clear, which Config.RequireSealed refuses: give it again, " +
	"or update the endpoint with a Dispatcher that does not require it")

// checkNotSealed refuses a given value that would be taken for a sealed one.
func checkNotSealed(field string, s Secret) error {
	if isSealed(s) {
		return &FieldError{field, `begins with "sealed:", which marks values that are stored encrypted`, "use another value"}
	}
	return nil
}

// A sealer seals endpoints between the Scope and the Store, on their way in, and opens them for
// those who sign and show, on their way out. It is safe for concurrent use.
type sealer struct {
	cipher Cipher
	strict bool // Config.RequireSealed
	known  openings

	decoyOnce sync.Once
	decoyText string
}

func newSealer(c *Config) *sealer { return &sealer{cipher: c.Cipher, strict: c.RequireSealed} }

// seal returns an endpoint as it is to be stored. A value that could not be opened stays as it
// was. tag is the one of the stored URL; see newURLTag.
func (s *sealer) seal(ctx context.Context, e Endpoint, tag string) (sealed Endpoint, err error) {
	if s.cipher == nil {
		return e, nil
	}
	defer recovered(&err)
	if err = s.sealURL(ctx, &e, tag); err != nil {
		return e, err
	}
	err = eachSecret(&e, time.Time{}, func(value Secret, field, bound string) (Secret, error) {
		if isSealed(value) {
			return s.unmarked(value), nil
		}
		text, err := s.sealOne(ctx, string(value), field, bound)
		return Secret(sealedPrefix + text), err
	})
	return e, err
}

// unmarked returns a closed value as it is stored. Without RequireSealed there are no marks, and a
// row that has one stays as it is.
func (s *sealer) unmarked(value Secret) Secret {
	if s.strict {
		return Secret(strings.TrimPrefix(string(value), clearMark))
	}
	return value
}

func (s *sealer) sealOne(ctx context.Context, value, field, bound string) (string, error) {
	text, err := s.cipher.Seal(ctx, []byte(value), bound)
	if err != nil {
		return "", fmt.Errorf("%s cannot be sealed: %w", field, err)
	}
	return text, checkSealed(text, len(value))
}

// checkSealed refuses a text that a column may not hold.
func checkSealed(text string, plain int) error {
	if len(text) > 2*plain+512 {
		return fmt.Errorf("Config.Cipher made %d bytes of %d, more than twice as many and 512", len(text), plain)
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("Config.Cipher returned something other than visible ASCII")
	}
	return nil
}

// open returns a stored endpoint with all that could be opened, but for expired secrets, and the
// first error. The public keys of open secrets are theirs, whatever the row says.
func (s *sealer) open(ctx context.Context, e Endpoint, now time.Time) (Endpoint, error) {
	var first error
	_ = eachSecret(&e, now, func(value Secret, field, bound string) (Secret, error) { // which fails as the function does
		return s.tryOpen(ctx, value, field, bound, &first), nil
	})
	u, err := s.openURL(ctx, &e)
	if e.URL = u; first == nil {
		first = err
	}
	for i := range e.Secrets {
		if one := &e.Secrets[i]; !isSealed(one.Value) {
			one.PublicKey = publicKeyOf(one.Value)
		}
	}
	return e, first
}

// openSecrets is open for the signing secrets alone.
func (s *sealer) openSecrets(ctx context.Context, e Endpoint, now time.Time) (Endpoint, error) {
	e.URL, e.Header = "", nil
	return s.open(ctx, e, now)
}

// tryOpen returns the value opened, or closed as it is after an error, the first of which it keeps.
func (s *sealer) tryOpen(ctx context.Context, value Secret, field, bound string, first *error) Secret {
	var err error
	switch {
	case !isSealed(value) && !s.strict:
		return value
	case !isSealed(value):
		value, err = clearMark+value, errInClear
	default:
		plain, failed := s.openOne(ctx, string(value)[len(sealedPrefix):], bound)
		if failed == nil {
			return Secret(plain)
		}
		err = failed
	}
	if *first == nil {
		*first = fmt.Errorf("%s cannot be opened: %w", field, err)
	}
	return value
}

func (s *sealer) openOne(ctx context.Context, sealed, bound string) (plain []byte, err error) {
	if s.cipher == nil {
		return nil, errors.New("it is sealed, and Config.Cipher is not set: give New the cipher that sealed it")
	}
	defer recovered(&err)
	return s.cipher.Open(ctx, sealed, bound)
}

// openDecoy takes as long as to open one secret, where there is none to open.
func (s *sealer) openDecoy(ctx context.Context) {
	const bound = "decoy"
	if s.cipher == nil {
		return
	}
	s.decoyOnce.Do(func() { s.decoyText, _ = s.sealDecoy(ctx, bound) })
	_, _ = s.openOne(ctx, s.decoyText, bound)
}

func (s *sealer) sealDecoy(ctx context.Context, bound string) (text string, err error) {
	defer recovered(&err)
	return s.cipher.Seal(ctx, []byte(newSecret()), bound)
}

// warnOfSecretsInClear is for those who do not know that there is a choice.
func (d *Dispatcher) warnOfSecretsInClear() {
	inMemory, ok := d.store.(interface{ Volatile() bool })
	if d.sealer.cipher == nil && !(ok && inMemory.Volatile()) {
		d.config.Logger.Warn("webhook: signing secrets, header values and URLs are stored in clear; set Config.Cipher to seal them")
	}
}

// boundOf begins the text that a value of an endpoint is bound to. Neither part has control characters.
func boundOf(e *Endpoint) string { return e.Tenant + "\x00" + e.ID + "\x00" }

// eachSecret replaces every secret and header value of an endpoint, but for secrets that expired by now, with what f returns. Only the
// endpoint itself is changed, not the slices and maps that it came with. A header's value is bound to the origin of the URL, because
// it is sent there; a secret is sent nowhere.
func eachSecret(e *Endpoint, now time.Time, f func(value Secret, field, bound string) (Secret, error)) error {
	e.Secrets, e.Header = slices.Clone(e.Secrets), maps.Clone(e.Header)
	bound := boundOf(e)
	for i := range e.Secrets {
		one := &e.Secrets[i]
		if one.expired(now) {
			continue
		}
		value, err := f(one.Value, "a signing secret", bound+"secret")
		if err != nil {
			return err
		}
		one.Value = value
	}
	origin := originOf(e.URL)
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		value, err := f(e.Header[name], "the header "+name, bound+"header\x00"+name+"\x00"+origin)
		if err != nil {
			return err
		}
		e.Header[name] = value
	}
	return nil
}
