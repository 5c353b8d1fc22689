package profile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

// The published ranges, in whole minutes.
func TestKeygenRetriesFifteenTimesOnItsPolynomialSchedule(t *testing.T) {
	ranges := [][2]int{
		{10, 100},
		{10, 100},
		{10, 100},
		{11, 101},
		{14, 104},
		{20, 110},
		{32, 122},
		{50, 140},
		{78, 168},
		{119, 209},
		{177, 267},
		{254, 344},
		{356, 446},
		{486, 576},
		{650, 740},
	}
	const almost = 0.999999
	shortest, longest := waits(retryKeygen, 0), waits(retryKeygen, almost)
	assert.Len(t, shortest, len(ranges))
	assert.Len(t, longest, len(ranges))
	for i, r := range ranges {
		assert.Equal(t, r[0], int(shortest[i].Round(time.Minute).Minutes()), "retry %d", i)
		dice := time.Duration(9*(i+1)) * time.Second
		assert.Equal(t, r[1], int((longest[i] - dice).Round(time.Minute).Minutes()), "retry %d", i)
	}
	assert.Equal(t, 37*time.Hour+58*time.Minute+7*time.Second, sum(shortest))
	assert.Equal(t, 60*time.Hour+46*time.Minute+7*time.Second, sum(longest))
}

func TestKeygenRollsTwoDiceForEachWait(t *testing.T) {
	for _, c := range []struct {
		retry int
		u     float64
		want  time.Duration
	}{
		{1, 0, 600 * time.Second},
		{1, 0.09, 609 * time.Second},
		{1, 0.1, 1200 * time.Second},
		{1, 0.42, 3002 * time.Second},
		{1, 0.999, 6009 * time.Second},
		{3, 0.42, (16 + 3000 + 6) * time.Second},
		{15, 0.42, (38416 + 3000 + 30) * time.Second},
		{1, 1, 6009 * time.Second}, // which a dispatcher does not pass
		{1, -1, 600 * time.Second},
	} {
		wait, again := retryKeygen(webhook.Outcome{Failures: c.retry - 1}, c.u)
		assert.True(t, again)
		assert.Equal(t, c.want, wait, "retry %d, %v", c.retry, c.u)
	}
	for _, failures := range []int{-2, -1, 15, 1 << 62} {
		_, again := retryKeygen(webhook.Outcome{Failures: failures}, 0.5)
		assert.False(t, again, failures)
	}
	rolled := make(map[time.Duration]int)
	for i := range 1000 {
		wait, _ := retryKeygen(webhook.Outcome{}, (float64(i)+0.5)/1000)
		rolled[wait]++
	}
	assert.Len(t, rolled, 100)
	for wait, n := range rolled {
		assert.Equal(t, 10, n, wait)
	}
}

func TestKeygenJudgesByItsTable(t *testing.T) {
	const retry, fail, disable, success = webhook.VerdictRetry, webhook.VerdictFail, webhook.VerdictDisable, webhook.VerdictSuccess
	for status, want := range map[int]webhook.Verdict{
		199: retry, 200: success, 204: success, 299: success, 300: retry, 301: retry, 304: retry, 400: retry, 404: retry,
		409: retry, 410: disable, 411: retry, 429: retry, 500: retry, 504: retry, 529: retry, 530: disable, 531: retry, 599: retry,
	} {
		assert.Equal(t, want, judgeKeygen(webhook.Outcome{Response: &webhook.Response{StatusCode: status}}), status)
	}
	for class, want := range map[webhook.Class]webhook.Verdict{
		webhook.ClassDNS: fail, webhook.ClassRefused: fail, webhook.ClassReset: fail,
		webhook.ClassTLS: retry, webhook.ClassTimeout: retry, webhook.ClassProtocol: retry, webhook.ClassBlocked: fail,
		webhook.ClassLocal: retry, "": retry,
	} {
		assert.Equal(t, want, judgeKeygen(webhook.Outcome{Class: class}), class)
	}
	const page = "<p>Tunnel abc.eu.ngrok.io not found</p>\n"
	for _, c := range []struct {
		url    string
		status int
		body   string
		want   webhook.Verdict
	}{
		{"https://abc.eu.ngrok.io/hooks", 404, page, disable},
		{"https://ABC.ngrok.io:8443", 404, "tunnel abc.ngrok.io not found", disable},
		{"https://abc.ngrok.io", 404, "Tunnel not found", retry},
		{"https://abc.ngrok.io", 404, "", retry},
		{"https://abc.ngrok.io", 502, page, retry},
		{"https://abc.ngrok.io", 200, page, success},
		{"https://abc.example", 404, page, retry},
		{"https://ngrok.io", 404, page, retry},
		{"https://xngrok.io", 404, page, retry},
		{"https://abc.ngrok.io.example", 404, page, retry},
		{"https://abc.loca.lt", 404, page, retry},
		{"https://abc.ngrok.io", 504, "", fail},
		{"https://abc.loca.lt", 504, "", fail},
		{"https://loca.lt.example/x.loca.lt", 504, "", retry},
	} {
		o := webhook.Outcome{URL: c.url, Response: &webhook.Response{StatusCode: c.status, Body: []byte(c.body)}}
		assert.Equal(t, c.want, judgeKeygen(o), "%s %d %s", c.url, c.status, c.body)
	}
}

func TestKeygenStateNamesEveryStateOfADelivery(t *testing.T) {
	for want, deliveries := range map[string][]webhook.Delivery{
		"DELIVERING": {{State: webhook.DeliveryPending}, {State: webhook.DeliveryPending, Attempts: 16}}, // retried by hand
		"FAILING":    {{State: webhook.DeliveryPending, Failures: 1}, {State: webhook.DeliveryPending, Failures: 15, InFlight: true}},
		"DELIVERED":  {{State: webhook.DeliverySucceeded}, {State: webhook.DeliverySucceeded, Failures: 3}},
		"FAILED": {
			{State: webhook.DeliveryFailed, Failures: 16}, {State: webhook.DeliveryCanceled, Failures: 2}, {State: webhook.DeliveryCanceled},
		},
	} {
		for _, d := range deliveries {
			assert.Equal(t, want, KeygenState(d), "%+v", d)
		}
	}
}
