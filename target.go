package webhook

import "net/url"

// A target is a URL that a Network has accepted, so that requests need not parse and check it
// again. Nobody changes it.
type target struct {
	raw string
	url *url.URL
}

// target returns the target of a URL, or nil if the URL is not accepted.
func (n Network) target(raw string) *target {
	u, err := n.checkURL("URL", raw)
	if err != nil {
		return nil
	}
	return &target{raw, u}
}

// urlOf returns the URL of the target if it is the one that raw stands for, or nil. A nil
// target is none.
func (t *target) urlOf(raw string) *url.URL {
	if t == nil || t.raw != raw {
		return nil
	}
	return t.url
}
