package sender

import (
	"net/url"

	"github.com/gowebhook/webhook/internal/hookurl"
	"github.com/gowebhook/webhook/internal/netguard"
)

// A Target is a URL that was accepted, so that requests need not parse and check it
// again. Nobody changes it.
type Target struct {
	raw string
	url *url.URL
}

// NewTarget returns the target of a URL, or nil if guard does not accept the URL.
func NewTarget(guard netguard.Guard, raw string) *Target {
	u, err := hookurl.Check(&guard, raw)
	if err != nil {
		return nil
	}
	return &Target{raw, u}
}

// urlOf returns the URL of the target if it is the one that raw stands for, or nil. A nil
// target is none.
func (t *Target) urlOf(raw string) *url.URL {
	if t == nil || t.raw != raw {
		return nil
	}
	return t.url
}
