package main

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook"
)

// Progress counts deliveries that are stored as delivered, to endpoints that answer.
type progress struct {
	delivered atomic.Int64
	last      atomic.Int64 // Unix time in nanoseconds
}

func (p *progress) add(n int) {
	p.last.Store(time.Now().UnixNano())
	p.delivered.Add(int64(n))
}

func (p *progress) count() int          { return int(p.delivered.Load()) }
func (p *progress) lastTime() time.Time { return time.Unix(0, p.last.Load()) }

// settled adds the items that a store has accepted.
func (p *progress) settled(items []webhook.Settlement, settled *webhook.Settled, err error) {
	if err != nil {
		return
	}
	n := 0
	for i := range items {
		delivered := items[i].State == webhook.DeliverySucceeded && items[i].Endpoint.ID != hanging
		if delivered && !slices.Contains(settled.Lost, i) && !slices.Contains(settled.Already, i) {
			n++
		}
	}
	if n > 0 {
		p.add(n)
	}
}
