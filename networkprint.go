package webhook

import (
	"fmt"
	"net/url"
)

// Format implements [fmt.Formatter]. User and password of Proxy do not appear, also where a
// Config is printed.
func (n Network) Format(f fmt.State, verb rune) {
	type plain Network // without this method
	printed := plain(n)
	if n.Proxy != nil && n.Proxy.User != nil {
		proxy := *n.Proxy
		proxy.User = url.User("redacted")
		printed.Proxy = &proxy
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), printed)
}
