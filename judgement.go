package webhook

import (
	"log/slog"
	"net/http"
	"strings"
)

// deliveryHeader is the response header by which a receiver controls deliveries; see
// Profile.DeliveryControl. These are its values, in lower case.
const (
	deliveryHeader  = "Webhook-Delivery"
	deliveryAbort   = "abort-message"
	deliveryDisable = "disable"
)

// A judgement is what is decided about an attempt.
type judgement struct {
	said    Verdict // of the profile and the receiver
	verdict Verdict // that is carried out
	reason  Reason  // of VerdictFail

	// doubtful says that the answer would disable the endpoint, and that a second request must
	// confirm it.
	doubtful bool
}

// judge decides what follows from an outcome.
func (d *Dispatcher) judge(t *trial, o Outcome) judgement {
	judged, problem := t.profile.verdict(o)
	if problem != nil {
		d.reportOf(t.key, "Profile.Judge failed", problem, slog.String("profile", t.snapshot.Profile))
	}
	control := t.control(o.Response, judged)
	j := judgement{said: judged, reason: ReasonRejected}
	if control == deliveryDisable {
		j.said = VerdictDisable
	}
	j.verdict = j.said
	if j.doubtful = j.said == VerdictDisable && !d.confirm(t, o, judged); j.doubtful {
		j.verdict = VerdictRetry
	}
	if j.verdict == VerdictRetry && control == deliveryAbort {
		j.verdict, j.reason = VerdictFail, ReasonAborted
	}
	return j
}

// control returns the value of the receiver's header webhook-delivery in lower case. It is
// empty if the profile ignores the header, for a status of 2xx, and if the profile judged a
// success.
func (t *trial) control(resp *Response, judged Verdict) string {
	if !t.profile.DeliveryControl || resp == nil || judged == VerdictSuccess || isSuccess(resp.StatusCode) {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(resp.Header.Get(deliveryHeader)))
}

// isSuccess reports whether a status code is 2xx.
func isSuccess(code int) bool { return code >= http.StatusOK && code < http.StatusMultipleChoices }

// confirm notes a verdict to disable, and reports whether it may be carried out. It may in three
// cases:
//
//   - It is of a test send, which disables nothing.
//   - An answer since the last success said the same, and this one came on a fresh connection.
//   - It does not follow from the answer alone. For example, a profile that disables after ten
//     failures also judges by the endpoint's history.
//
// judged is the profile's own verdict.
func (d *Dispatcher) confirm(t *trial, o Outcome, judged Verdict) bool {
	if t.test {
		return true
	}
	if judged == VerdictDisable {
		o.Failures, o.Health = 0, Health{}
		if byItself, err := t.profile.verdict(o); err == nil && byItself != VerdictDisable {
			return true
		}
	}
	return d.suspects.confirm(t.key, t.version, t.request.OwnConn)
}
