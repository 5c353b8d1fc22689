package profile

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// keygenDelivering is the state of a delivery that has not been judged yet.
const keygenDelivering = "DELIVERING"

// KeygenState returns Keygen's name for the state of a delivery: "DELIVERING" until the first
// attempt has failed, "FAILING" while retries are left, then "DELIVERED" or "FAILED". A
// delivery that was canceled is "FAILED", whether by hand or because its endpoint was disabled
// or deleted. Keygen drops such a delivery without a change of state, so there it seems to be
// under way for ever.
func KeygenState(d webhook.Delivery) string {
	switch {
	case d.State == webhook.DeliverySucceeded:
		return "DELIVERED"
	case d.State != webhook.DeliveryPending:
		return "FAILED"
	case d.Failures > 0:
		return "FAILING"
	default:
		return keygenDelivering
	}
}

const keygenRetries = 15

// retryKeygen returns the sum of three waits. The nth retry waits (n-1)⁴ seconds, 10 to 100
// minutes in steps of ten, and n times 0 to 9 seconds. The first two decimals of u are two dice
// of ten sides for the second and third wait. For example, the third retry with u = 0.37 waits
// 2⁴ s + 40 min + 3 × 7 s.
func retryKeygen(o webhook.Outcome, u float64) (time.Duration, bool) {
	retries := o.Failures // made before this one
	if retries < 0 || retries >= keygenRetries {
		return 0, false
	}
	dice := min(max(int(u*100), 0), 99)
	seconds := retries*retries*retries*retries + 600*(dice/10+1) + dice%10*(retries+1)
	return time.Duration(seconds) * time.Second, true
}

// statusFrozen is Cloudflare's status for a site that it has suspended.
const statusFrozen = 530

// noTunnel matches ngrok's page, sent with status 404, about a tunnel that does not exist.
var noTunnel = regexp.MustCompile(`(?i)\btunnel \S{1,255} not found`)

// isTunnel reports whether raw is the URL of a tunnel of one of the domains.
func isTunnel(raw string, domains ...string) bool {
	u, err := url.Parse(raw)
	return err == nil && slices.ContainsFunc(domains, func(domain string) bool {
		return strings.HasSuffix(strings.ToLower(u.Hostname()), "."+domain)
	})
}

func judgeKeygen(o webhook.Outcome) webhook.Verdict {
	if o.Response == nil {
		switch o.Class {
		case webhook.ClassDNS, webhook.ClassRefused, webhook.ClassBlocked, webhook.ClassReset:
			return webhook.VerdictFail
		default:
			return webhook.VerdictRetry
		}
	}
	switch status := o.Response.StatusCode; {
	case status >= 200 && status <= 299:
		return webhook.VerdictSuccess
	case status == http.StatusGone, status == statusFrozen,
		status == http.StatusNotFound && isTunnel(o.URL, "ngrok.io") && noTunnel.Match(o.Response.Body):
		return webhook.VerdictDisable
	case status == http.StatusGatewayTimeout && isTunnel(o.URL, "ngrok.io", "loca.lt"):
		return webhook.VerdictFail
	default:
		return webhook.VerdictRetry
	}
}
