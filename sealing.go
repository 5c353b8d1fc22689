package webhook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/bounded"
	"github.com/gowebhook/webhook/internal/hookurl"
)

// sealedPrefix begins a value that a Cipher sealed, in the store. No given value may begin with
// it.
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

// A sealer seals endpoints on their way from the Scope to the Store. It opens them on their way
// back, for signing and for showing. It is safe for concurrent use.
type sealer struct {
	cipher Cipher
	strict bool // Config.RequireSealed
	known  openings

	decoyOnce sync.Once
	decoyText string
}

func newSealer(c *Config) *sealer { return &sealer{cipher: c.Cipher, strict: c.RequireSealed} }

// seal returns an endpoint in the form to store. A value that could not be opened stays
// unchanged. tag is the tag of the stored URL; see newURLTag.
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

// unmarked returns a closed value in its stored form. Without RequireSealed there are no marks,
// and a row that has one stays unchanged.
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

// open returns a stored endpoint with every value that it could open, and the first error.
// Expired secrets stay closed. An open secret gets its own public key, in place of the one in
// the row.
func (s *sealer) open(ctx context.Context, e Endpoint, now time.Time) (Endpoint, error) {
	var first error
	_ = eachSecret(&e, now, func(value Secret, field, bound string) (Secret, error) { // fails only if the function does
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

// openSecrets is open for the signing secrets only.
func (s *sealer) openSecrets(ctx context.Context, e Endpoint, now time.Time) (Endpoint, error) {
	e.URL, e.Header = "", nil
	return s.open(ctx, e, now)
}

// tryOpen returns the value opened. After an error it returns the value closed, and keeps the
// error if it is the first.
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

// openDecoy takes as long as opening one secret. It is for endpoints that do not exist.
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

// warnOfSecretsInClear warns applications that may not know of Config.Cipher.
func (d *Dispatcher) warnOfSecretsInClear() {
	inMemory, ok := d.store.(Volatile)
	if d.sealer.cipher == nil && !(ok && inMemory.Volatile()) {
		d.config.Logger.Warn("webhook: signing secrets, header values and URLs are stored in clear; set Config.Cipher to seal them")
	}
}

// boundOf returns the beginning of the text that a value of an endpoint is bound to. Neither
// part has control characters.
func boundOf(e *Endpoint) string { return e.Tenant + "\x00" + e.ID + "\x00" }

// eachSecret replaces every secret and header value of an endpoint with the result of f. It
// skips secrets that have expired by now. Only the endpoint itself changes, not the slices and
// maps that it came with.
//
// A header's value is bound to the origin of the URL, because it is sent there. A secret is
// sent nowhere.
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
	origin := hookurl.Origin(e.URL)
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		value, err := f(e.Header[name], "the header "+name, bound+"header\x00"+name+"\x00"+origin)
		if err != nil {
			return err
		}
		e.Header[name] = value
	}
	return nil
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

// maxOpenings bounds the values that are remembered: about 8 MiB of the longest URLs.
const maxOpenings = 4 << 10

// openings remember values that are shown again and again, by the text and bound that they
// were opened from. A sealed text is authenticated, so it never stands for another value. The
// zero value is ready; it is safe for concurrent use.
type openings struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]string
}

// get returns the remembered value for text and bound, or calls open. It does not remember
// errors.
func (o *openings) get(text, bound string, open func() (string, error)) (string, error) {
	key := sha256.Sum256([]byte(bound + "\x00" + text))
	o.mu.Lock()
	value, known := o.of[key]
	o.mu.Unlock()
	if known {
		return value, nil
	}
	value, err := open()
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	bounded.Put(&o.of, maxOpenings, key, value)
	return value, nil
}
