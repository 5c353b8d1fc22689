package webhook

import "strings"

// originOf returns the scheme, host and port of a URL, for example "https://a.example:443". The
// origin is in lower case, with the default port, without userinfo. Two URLs with the same
// origin reach the same server. It takes URLs that checkURL accepts. Other URLs that differ
// have different origins.
func originOf(raw string) string {
	end := hostEnd(raw)
	scheme, host, ok := strings.Cut(raw[:end], "://")
	if !ok {
		return raw
	}
	scheme, host = strings.ToLower(scheme), strings.ToLower(host[strings.LastIndexByte(host, '@')+1:])
	if strings.LastIndexByte(host, ':') <= strings.LastIndexByte(host, ']') { // an IPv6 address has colons in its brackets
		switch scheme {
		case "https":
			host += ":443"
		case "http":
			host += ":80"
		}
	}
	return scheme + "://" + host
}
