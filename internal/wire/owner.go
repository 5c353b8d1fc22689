package wire

import (
	"net"
	"net/url"
)

// An Owner is whom a connection belongs to: one endpoint, as long as its
// settings do not change. A request of the zero Owner has a connection of its
// own.
type Owner struct {
	Tenant, Endpoint string
	Version          int64
}

// A place is where the requests of a connection go.
type place struct {
	scheme string // http or https
	host   string // as it is in the URL, with a port or without
}

// addr returns host and port, and the host alone.
func (p place) addr() (addr, host string) {
	u := url.URL{Scheme: p.scheme, Host: p.host}
	return addrOf(&u), u.Hostname()
}

var ports = map[string]string{"http": "80", "https": "443", "socks5": "1080"}

func addrOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = ports[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
