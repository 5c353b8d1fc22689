package main

import (
	"bytes"
	"encoding/json"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// complete is a round in which all went well: 10 deliveries in 2 seconds.
func complete() *measured {
	began := time.Unix(1000, 0)
	return &measured{
		plan:     &plan{peer: peerWebhook, expect: 10, load: load{Kind: loadClosed}, prepared: preparation{Layout: layout{Tenants: 2, Fanout: 2}}},
		outcomes: []outcome{{CPU: 10 * time.Millisecond, Mallocs: 100, Statements: 30, PeakBytes: 20e6}, {CPU: 20 * time.Millisecond, PeakBytes: 30e6}},
		began:    began, last: began.Add(2 * time.Second),
		before: reading{cpu: time.Second, wal: 1000, syncs: 5}, after: reading{cpu: 2 * time.Second, wal: 21000, syncs: 9},
		receiver: 5 * time.Millisecond,
		machine:  2 * time.Duration(runtime.NumCPU()) * time.Second, took: 4 * time.Second,
		tally:  tally{Groups: map[string]groupTally{healthy: {Requests: 10, Distinct: 10, P50: time.Millisecond}, dead: {Requests: 3, Distinct: 2}}},
		logged: 14, // with the warm-up
		extra:  map[string]float64{},
	}
}

func TestCountsAreForEachDelivery(t *testing.T) {
	r := complete().result("steady", 1)
	assert.Empty(t, r.problem)
	for figure, want := range map[string]float64{
		"deliveries_per_s": 5, "p50_ms": 1, "lost": 0, "duplicates": 0, "statements": 3, "allocs": 10, "wal_bytes": 2000, "fsyncs": 0.4,
		"cpu_sender_us": 3000, "cpu_receiver_us": 500, "cpu_postgres_us": 100_000, "cpu_us_per_delivery": 103_500, "rss_mb": 30,
		"foreign_cpu": 0.5 - 1.035/4/float64(runtime.NumCPU()),
	} {
		assert.InDelta(t, want, r.figures[figure], 1e-9, figure)
	}
}

func TestWhatWasNotMeasuredIsMissing(t *testing.T) {
	m := complete()
	m.plan.preloaded, m.after.cpu, m.after.syncs = true, -1, -1
	r := m.result("drain", 1)
	for _, figure := range []string{"p50_ms", "fsyncs", "cpu_postgres_us", "cpu_us_per_delivery"} {
		assert.NotContains(t, r.figures, figure)
	}
}

func TestARoundIsVoidUnlessEverythingArrivedOnceAndIsLogged(t *testing.T) {
	for name, spoil := range map[string]func(*measured){
		"lost":      func(m *measured) { m.tally.Groups[healthy] = groupTally{Requests: 9, Distinct: 9}; m.logged = 13 },
		"duplicate": func(m *measured) { m.tally.Groups[healthy] = groupTally{Requests: 11, Distinct: 10}; m.logged = 15 },
		"invalid":   func(m *measured) { m.tally.Groups[dead] = groupTally{Requests: 1, Distinct: 1, Invalid: 1} },
		"log":       func(m *measured) { m.logged = 13 },
	} {
		m := complete()
		spoil(m)
		assert.NotEmpty(t, m.result("steady", 1).problem, name)
	}
	m := complete()
	m.plan.peer, m.logged = peerRaw, -1
	assert.Empty(t, m.result("drain", 1).problem, "the bare loop has no log")
}

func TestALineOfJSONHasEveryStandardFigure(t *testing.T) {
	r := result{scenario: "drain", peer: "river", round: 2, figures: map[string]float64{"lost": 0, "fsyncs": 0.12345, "share": 1, "p50_ms": math.NaN()}}
	line, err := r.MarshalJSON()
	require.NoError(t, err)
	assert.NotContains(t, string(line), "\n")
	var got map[string]any
	require.NoError(t, json.Unmarshal(line, &got))
	for _, name := range standard {
		assert.Contains(t, got, name)
	}
	assert.InDelta(t, 0.123, got["fsyncs"], 1e-9)
	assert.InDelta(t, 1, got["share"], 0)
	assert.Nil(t, got["p50_ms"])
	assert.Equal(t, map[string]any{"scenario": "drain", "peer": "river", "variant": "", "round": 2.0},
		map[string]any{"scenario": got["scenario"], "peer": got["peer"], "variant": got["variant"], "round": got["round"]})
}

func TestQuartersCompareRates(t *testing.T) {
	m := complete()
	m.plan.expect = 100
	m.last = m.began.Add(10 * time.Second)
	m.track = []point{{m.began.Add(time.Second), 25}, {m.began.Add(3 * time.Second), 60}, {m.began.Add(5 * time.Second), 75}, {m.last, 100}}
	got := quarters(m)
	assert.InDelta(t, 25, got["first_quarter_per_s"], 1e-9)
	assert.InDelta(t, 5, got["last_quarter_per_s"], 1e-9)
	assert.InDelta(t, 0.2, got["last_to_first"], 1e-9)
}

// rounds makes results of one figure, a round for each value.
func rounds(scenario, peer, variant, figure string, values ...float64) (all table) {
	for i, v := range values {
		all = append(all, result{scenario: scenario, peer: peer, variant: variant, round: i + 1, figures: map[string]float64{figure: v}})
	}
	return all
}

func TestTargetsCompareMedians(t *testing.T) {
	at := func(peer string) medianOf { return medianOf{"drain", peer, "", "deliveries_per_s"} }
	results := append(rounds("drain", peerWebhook, "", "deliveries_per_s", 900, 5000, 6000), rounds("drain", peerRiver, "", "deliveries_per_s", 1000, 10, 2000)...)

	value, met := ratio("", at(peerWebhook), at(peerRiver), true, 5).judge(results)
	assert.InDelta(t, 5, value, 0)
	assert.True(t, met)
	_, met = ratio("", at(peerWebhook), at(peerRiver), true, 5.1).judge(results)
	assert.False(t, met)
	_, met = ratio("", at(peerWebhook), at(peerRiver), false, 4.9).judge(results)
	assert.False(t, met)

	value, met = ratio("", at(peerWebhook), at(peerRaw), true, 0.45).judge(results)
	assert.True(t, math.IsNaN(value), "the bare loop was not measured")
	assert.False(t, met)

	_, met = either(bounded("", at(peerWebhook), false, 1), ratio("", at(peerWebhook), at(peerRiver), true, 5)).judge(results)
	assert.True(t, met)
	_, met = either(bounded("", at(peerWebhook), false, 1), ratio("", at(peerWebhook), at(peerRiver), true, 6)).judge(results)
	assert.False(t, met)
}

func TestNoiseIsWhatTheRoundsDifferBy(t *testing.T) {
	with, without := medianOf{"backlog", peerWebhook, "large", "p99_ms"}, medianOf{"backlog", peerWebhook, "none", "p99_ms"}
	judge := func(a, b []float64) bool {
		results := append(rounds("backlog", peerWebhook, "large", "p99_ms", a...), rounds("backlog", peerWebhook, "none", "p99_ms", b...)...)
		_, met := withinNoise("", with, without).judge(results)
		return met
	}
	assert.True(t, judge([]float64{3, 5, 6}, []float64{1, 2, 4}))
	assert.False(t, judge([]float64{5, 6, 7}, []float64{1, 2, 4}))
	assert.True(t, judge([]float64{1}, []float64{2}))
	assert.False(t, judge([]float64{1}, nil))
}

func TestTheReportNamesTargetsThatAreMissed(t *testing.T) {
	var out bytes.Buffer
	printTargets(&out, append(rounds("steady", peerWebhook, "fanout1", "p50_ms", 21), rounds("backlog", peerWebhook, "future", "claim_ms", 0.5)...))
	assert.Regexp(t, `steady: p50 ms +21 +≤ 20 +MISSED`, out.String())
	assert.Regexp(t, `backlog: empty claim ms +0.5 +≤ 1 +met`, out.String())
	assert.NotContains(t, out.String(), "river")
}
