package netguard

import (
	"slices"
	"strconv"
)

// firstHighPort is the first port without a dangerous old service. Below it are SSH, SMTP, DNS,
// LDAP, SMB and their like.
const firstHighPort = 1024

// CheckPort returns nil if a connection may go to a port. Otherwise it returns a
// *[BlockedError] that has no address.
func (g Guard) CheckPort(port uint16) error {
	switch {
	case port == 0:
	case g.Ports != nil:
		if slices.Contains(g.Ports, port) {
			return nil
		}
	case port == 443, port == 80 && g.AllowHTTP, port >= firstHighPort:
		return nil
	}
	return &BlockedError{Block: "port " + strconv.Itoa(int(port)), Option: "Network.Ports"}
}
