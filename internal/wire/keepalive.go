package wire

import (
	"net/http"
	"strings"
	"time"
)

// idleTimeout is how long a connection is kept without a request. Node's servers close
// after 5 s, and a request that meets a closing connection fails.
const idleTimeout = 4 * time.Second

// keepAlive returns how long a receiver lets a connection be kept, at most idleTimeout: its
// Keep-Alive header says after how many seconds without a request it closes, as in
// "timeout=5, max=100". A second is left for the way. It returns false if the header is
// missing or has no timeout.
func keepAlive(h http.Header) (time.Duration, bool) {
	for _, value := range h["Keep-Alive"] {
		for parameter := range strings.SplitSeq(value, ",") {
			name, digits, _ := strings.Cut(strings.TrimSpace(parameter), "=")
			if !strings.EqualFold(strings.TrimSpace(name), "timeout") {
				continue
			}
			digits, _, _ = strings.Cut(strings.Trim(digits, ` "`), ".") // some say 1.5
			if digits == "" || strings.Trim(digits, "0123456789") != "" {
				continue
			}
			digits = strings.TrimLeft(digits, "0")
			if len(digits) > 1 { // ten seconds or more
				return idleTimeout, true
			}
			seconds := 0
			if digits != "" {
				seconds = int(digits[0] - '0')
			}
			return min(max(time.Duration(seconds-1)*time.Second, 0), idleTimeout), true
		}
	}
	return 0, false
}
