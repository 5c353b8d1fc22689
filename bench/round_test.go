package main

import (
	"encoding/json"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// complete returns a round in which all went well: 10 deliveries by two senders in 2 seconds.
func complete() *round {
	began := time.Unix(1000, 0)
	return &round{
		variant: &variant{peer: peerWebhook, store: storePostgres, expect: 10},
		senders: []senderReport{
			{Began: began, Last: began.Add(time.Second), CPU: 10 * time.Millisecond, Mallocs: 100, Statements: 30, Peak: 20e6, Logged: 4},
			{Began: began, Last: began.Add(2 * time.Second), CPU: 20 * time.Millisecond, Peak: 30e6, Logged: 10},
		},
		before:      counters{cpu: time.Second, wal: 1000, syncs: 5},
		after:       counters{cpu: 2 * time.Second, wal: 21000, syncs: 9},
		receiverCPU: 5 * time.Millisecond,
		machineCPU:  2 * time.Duration(runtime.NumCPU()) * time.Second,
		took:        4 * time.Second,
		report: receiverReport{Arrivals: map[string]arrivals{
			healthy: {Requests: 10, Distinct: 10, P50: time.Millisecond}, hanging: {Requests: 3, Distinct: 2},
		}},
	}
}

func TestCountsAreThoseOfOneDelivery(t *testing.T) {
	r := complete().result("steady", 1)
	assert.Empty(t, r.problem)
	for figure, want := range map[string]float64{
		"deliveries_per_s": 5, "p50_ms": 1, "lost": 0, "duplicates": 0, "statements": 3, "allocs": 10, "wal_bytes": 2000, "fsyncs": 0.4,
		"cpu_sender_us": 3000, "cpu_receiver_us": 500, "cpu_database_us": 100_000, "cpu_us_per_delivery": 103_500, "rss_mb": 30,
		"foreign_cpu": 0.5 - 1.035/4/float64(runtime.NumCPU()),
	} {
		assert.InDelta(t, want, r.figures[figure], 1e-9, figure)
	}
}

func TestAFigureThatWasNotMeasuredIsMissing(t *testing.T) {
	r := complete()
	r.variant.dataset.Preload, r.before, r.after = 10, counters{}, counters{}
	figures := r.result("drain", 1).figures
	for _, figure := range []string{"p50_ms", "fsyncs", "cpu_database_us", "handshakes"} {
		assert.NotContains(t, figures, figure)
	}
}

func TestARoundIsVoidUnlessEachDeliveryArrivedOnceAndIsLogged(t *testing.T) {
	for name, spoil := range map[string]func(*round){
		"lost": func(r *round) {
			r.report.Arrivals[healthy] = arrivals{Requests: 9, Distinct: 9}
			r.senders[1].Logged = 9
		},
		"repeated": func(r *round) {
			r.report.Arrivals[healthy] = arrivals{Requests: 11, Distinct: 10}
			r.senders[1].Logged = 11
		},
		"invalid": func(r *round) { r.report.Arrivals[hanging] = arrivals{Requests: 1, Distinct: 1, Invalid: 1} },
		"log":     func(r *round) { r.senders[1].Logged = 9 },
		"no log":  func(r *round) { r.senders[1].Logged = 0 },
	} {
		r := complete()
		spoil(r)
		assert.NotEmpty(t, r.result("steady", 1).problem, name)
	}
	loop := complete()
	loop.variant.peer, loop.senders[1].Logged = peerLoop, 0
	assert.Empty(t, loop.result("drain", 1).problem, "the loop has no log")
}

func TestALineOfJSONHasTheFiguresBesideTheNames(t *testing.T) {
	r := result{scenario: "drain", peer: "river", round: 2, figures: map[string]float64{"lost": 0, "fsyncs": 0.12345}}
	line, err := json.Marshal(&r)
	require.NoError(t, err)
	assert.JSONEq(t, `{"scenario":"drain","peer":"river","variant":"","round":2,"lost":0,"fsyncs":0.123}`, string(line))
}
