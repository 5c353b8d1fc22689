package wire

import (
	"net/http"
	"strings"
	"time"
)

// idleTimeout is how long a connection is kept without a request. It is shorter than the
// idle time of these servers by default, so they close no connection that has a request:
//
//	Node               5 s, or 6 s in later versions; says timeout=5
//	Apache             5 s; says timeout=5
//	nginx              75 s; says nothing
//	net/http           never, or IdleTimeout; says nothing
//	Python http.server after each response (HTTP/1.0), or never; says nothing
//
// A server with a shorter idle time that says nothing may close while a request is on its
// way. The request then fails: only the server knows whether it read the request, so sending
// it again is left to the retry. For example, with an idle time of 1 s, this happens to a
// request that arrives 1 s after the last response, give or take the time on the way.
const idleTimeout = 4 * time.Second

// keepAlive reads the idle time that a receiver says, and returns how long the connection is
// kept: a second less, at most idleTimeout. The header is "Keep-Alive: timeout=5, max=100",
// for example. keepAlive returns false if the header is missing or has no timeout.
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
