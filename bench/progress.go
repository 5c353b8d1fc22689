package main

import (
	"sync/atomic"
	"time"
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
