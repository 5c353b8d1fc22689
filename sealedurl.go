package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/gowebhook/webhook/internal/hookurl"
)

// A sealed URL is stored as
//
//	https://a.example:8443/sealed:{tag}:{text}
//
// Scheme, host and port stay readable. The text is the whole URL, sealed and bound to the tag
// and the origin, so it opens nowhere else. The tag is new whenever the URL changes, and stays
// when the same URL is sealed again. Two rows of an endpoint with the same tag have the same
// URL.
const sealedPath = "/" + sealedPrefix

// redactedPath is shown in place of a path that cannot be opened. An update with such a URL
// keeps the stored one.
const redactedPath = "/" + redacted

const tagBytes = 12

func newURLTag() string { return rand.Text()[:tagBytes] }

// isSealedURL reports whether the path of a URL is closed: sealed, or marked with clearMark.
func isSealedURL(raw string) bool { return strings.HasPrefix(raw[hookurl.HostEnd(raw):], sealedPath) }

// splitSealedURL returns the two parts of a sealed URL.
func splitSealedURL(raw string) (tag, text string, ok bool) {
	path := raw[hookurl.HostEnd(raw):]
	if !strings.HasPrefix(path, sealedPath) || strings.HasPrefix(path, "/"+clearMark) {
		return "", "", false
	}
	return strings.Cut(path[len(sealedPath):], ":")
}

// urlTag returns the tag of a sealed URL, or "".
func urlTag(raw string) string {
	tag, _, ok := splitSealedURL(raw)
	if !ok {
		return ""
	}
	return tag
}

// sameSealedURL reports whether two stored URLs of one endpoint stand for the same URL.
func sameSealedURL(a, b string) bool {
	tag := urlTag(a)
	return tag != "" && tag == urlTag(b) && hookurl.Origin(a) == hookurl.Origin(b)
}

// shownURL returns a URL as its owner may see it.
func shownURL(raw string) string {
	if isSealedURL(raw) {
		return raw[:hookurl.HostEnd(raw)] + redactedPath
	}
	return raw
}

// checkNotSealedURL refuses a given URL that would look like a sealed one.
func checkNotSealedURL(field, raw string) error {
	if isSealedURL(raw) {
		return &FieldError{field, `has a path that begins with "/sealed:", which marks paths that are stored encrypted`, "use another path"}
	}
	return nil
}

func urlBound(e *Endpoint, tag string) string {
	return boundOf(e) + "url\x00" + tag + "\x00" + hookurl.Origin(e.URL)
}

// sealURL replaces the URL of an endpoint with the one to store. A URL that could not be opened
// stays unchanged.
func (s *sealer) sealURL(ctx context.Context, e *Endpoint, tag string) error {
	base, rest := e.URL[:hookurl.HostEnd(e.URL)], e.URL[hookurl.HostEnd(e.URL):]
	if isSealedURL(e.URL) {
		if plain, inClear := strings.CutPrefix(rest, "/"+clearMark); inClear && s.strict {
			e.URL = base + plain
		}
		return nil
	}
	text, err := s.sealOne(ctx, e.URL, "the URL", urlBound(e, tag))
	if err != nil {
		return err
	}
	e.URL = base + sealedPath + tag + ":" + text
	return nil
}

// openURL returns the URL of a stored endpoint. With an error, it returns the URL closed. It
// remembers URLs, so that lists do not ask a Cipher again.
func (s *sealer) openURL(ctx context.Context, e *Endpoint) (string, error) {
	switch {
	case e.URL == "":
		return "", nil
	case !isSealedURL(e.URL) && !s.strict:
		return e.URL, nil
	case !isSealedURL(e.URL):
		end := hookurl.HostEnd(e.URL)
		return e.URL[:end] + "/" + clearMark + e.URL[end:], fmt.Errorf("the URL cannot be opened: %w", errInClear)
	}
	tag, text, ok := splitSealedURL(e.URL)
	if !ok {
		return e.URL, errors.New("the URL cannot be opened: it was changed in the store")
	}
	bound := urlBound(e, tag)
	opened, err := s.known.get(text, bound, func() (string, error) {
		plain, err := s.openOne(ctx, text, bound)
		return string(plain), err
	})
	switch {
	case err != nil:
		return e.URL, fmt.Errorf("the URL cannot be opened: %w", err)
	case hookurl.Origin(opened) != hookurl.Origin(e.URL):
		return e.URL, errors.New("the URL cannot be opened: it was changed in the store")
	}
	return opened, nil
}
