package main

import (
	"context"
	"time"
)

// noisyPlans send to ten endpoints at once, with and without one that hangs.
func noisyPlans(n int) []plan {
	const rate, fanout, hang = 20, 10, 10 * time.Second
	length := seconds(n, 1000, 20)
	var plans []plan
	for _, peer := range []string{peerWebhook, peerRiver} {
		noisy, quiet := rate*length, rate*max(length/2, 1)
		plans = append(plans, plan{
			peer: peer, variant: "hangs", hang: hang, prepared: preparation{Layout: layout{Tenants: 1, Fanout: fanout, Noisy: true}},
			load: load{Kind: loadOpen, Rate: rate, Events: noisy}, expect: noisy * (fanout - 1), others: noisy, sent: share,
		}, plan{
			peer: peer, variant: "quiet", prepared: preparation{Layout: layout{Tenants: 1, Fanout: fanout}},
			load: load{Kind: loadOpen, Rate: rate, Events: quiet}, expect: quiet * fanout, sent: share,
		})
	}
	return plans
}

// share notes how much of what was offered to the healthy endpoints has arrived a second after the last event, and then lets the
// one that hangs answer, so that the rest can be counted.
func share(ctx context.Context, b *bench, m *measured) error {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	t, err := b.order(order{})
	if err != nil {
		return err
	}
	m.extra["share"] = float64(t.Groups[healthy].Distinct) / float64(m.plan.expect)
	_, err = b.order(order{Release: true})
	return err
}
