package storetest

import (
	"time"

	"github.com/gowebhook/webhook"
)

// attemptCases check how Settle logs attempts.
var attemptCases = []testCase{
	{
		"attempt/fields", "attempts are stored as they are given, and numbered",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			l := f.expectClaim("e1.ep0000", "e1.ep0001")
			full, bare := f.retryIn(l[0], time.Hour), f.success(l[1])
			full.Attempt.Duration, full.Attempt.StartedAt = 1234567*time.Microsecond, f.now.Add(-7*instant)
			full.Attempt.Status, full.Attempt.Error = 599, "naïve: \"quoted\" \u2028 error"
			full.Attempt.ResponseBody = []byte("\x00\xff<html>'\\\"\r\n\x1f")
			full.Attempt.Truncated, full.Attempt.NextAt = true, full.DueAt
			bare.Attempt.Status, bare.Attempt.ResponseBody = 204, nil
			wantFull, wantBare := *full.Attempt, *bare.Attempt
			f.settle(full, bare)
			wantFull.Number, wantBare.Number = 1, 1
			wantFull.ResponseBody = []byte("\x00\xff<html>'\\\"\r\n\x1f")
			f.equal("attempts", f.log("acme", "e1", "ep0000"), []webhook.Attempt{wantFull})
			f.equal("attempts", f.log("acme", "e1", "ep0001"), []webhook.Attempt{wantBare})
		},
	},
	{
		"attempt/numbers", "attempts are numbered 1, 2, 3… in the order of lease numbers",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.settle(f.retryIn(f.take("e1.ep1"), 0))
			f.settle(f.giveBack(f.take("e1.ep1"), 0)) // a lease without an attempt leaves no gap
			timeout := f.retryIn(f.take("e1.ep1"), 0)
			timeout.Attempt = f.attempt(f.own(f.sent[timeout.UID], "ep1"), webhook.ClassTimeout)
			f.settle(timeout)
			f.settle(f.success(f.take("e1.ep1")))
			f.expectLog("acme", "e1", "ep1", "1 http_status", "2 timeout", "3")
			if d := f.delivery("acme", "e1", "ep1"); d.Attempts != 3 {
				f.Errorf("the delivery counts %d attempts, want 3", d.Attempts)
			}
		},
	},
	{
		"attempt/late", "attempts are numbered in the order of lease numbers, those that are Late too",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			first := f.take("e1.ep1")
			late := f.failure(first)
			f.advance(leaseTime + grace)
			f.settle(f.success(f.take("e1.ep1")))
			f.lose(late)
			f.expectLog("acme", "e1", "ep1", "1 http_status late", "2")
			f.expectState("acme", "e1", "ep1", webhook.DeliverySucceeded, "")
		},
	},
	{
		"attempt/late-between", "attempts are numbered in the order of lease numbers, those that are Late too",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			f.settle(f.retryIn(f.take("e1.ep1"), 0))
			second := f.take("e1.ep1")
			f.advance(leaseTime + grace)
			f.settle(f.success(f.take("e1.ep1")))
			f.lose(f.failure(second))
			f.expectLog("acme", "e1", "ep1", "1 http_status", "2 http_status late", "3")
		},
	},
	{
		"attempt/late-not-counted", "Leased.Attempts are those logged before, Late ones not counted",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			first := f.take("e1.ep1")
			f.advance(leaseTime + grace)
			second := f.take("e1.ep1")
			f.lose(f.failure(first))
			f.settle(f.retryIn(second, 0))
			if l := f.take("e1.ep1"); l.Attempts != 1 || l.Failures != 1 {
				f.Errorf("got %d attempts and %d failures, want 1 and 1", l.Attempts, l.Failures)
			}
		},
	},
	{
		"attempt/late-once", "attempts are stored once for each lease number, Late ones too",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			first := f.take("e1.ep1")
			f.advance(leaseTime + grace)
			f.take("e1.ep1")
			for range 3 {
				f.trySettle(f.failure(first))
				f.advance(time.Second)
			}
			f.expectLog("acme", "e1", "ep1", "1 http_status late")
		},
	},
	{
		"attempt/once", "attempts are stored once for each lease number",
		func(f *fixture) {
			f.endpoint("acme", "ep1")
			f.send("acme", "e1", "ep1")
			s := f.retryIn(f.take("e1.ep1"), 0)
			got := f.trySettle(s, s)
			f.equal("already", got.Already, []int{1})
			f.trySettle(s)
			f.expectLog("acme", "e1", "ep1", "1 http_status")
		},
	},
	{
		"attempt/each-delivery", "attempts of each delivery are numbered 1, 2, 3…",
		func(f *fixture) {
			f.endpoints("acme", 2)
			f.send("acme", "e1", "ep0000", "ep0001")
			f.send("acme", "e2", "ep0000")
			l := f.expectClaim("e1.ep0000", "e1.ep0001", "e2.ep0000")
			f.settle(f.retryIn(l[0], 0), f.retryIn(l[1], time.Hour), f.success(l[2]))
			f.settle(f.success(f.take("e1.ep0000")))
			f.expectLog("acme", "e1", "ep0000", "1 http_status", "2")
			f.expectLog("acme", "e1", "ep0001", "1 http_status")
			f.expectLog("acme", "e2", "ep0000", "1")
		},
	},
}
