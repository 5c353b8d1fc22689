package main

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheTablesHaveMedians(t *testing.T) {
	var rs results
	for _, rate := range []float64{900, 18_949, 25_000} {
		rs = append(rs, result{scenario: "drain", peer: peerWebhook, figures: map[string]float64{"deliveries_per_s": rate}})
	}
	rs = append(rs,
		result{scenario: "drain", peer: peerWebhook, figures: map[string]float64{"deliveries_per_s": 90_000}, problem: "void"},
		result{scenario: "drain", peer: peerRiver, figures: map[string]float64{"deliveries_per_s": 5000}},
		result{scenario: "drain", peer: peerLoop, figures: map[string]float64{"deliveries_per_s": 37_898, "allocs": 86}},
		result{scenario: "memory", peer: peerWebhook, figures: map[string]float64{"deliveries_per_s": 987.6}},
		result{scenario: "memory", peer: peerLoop, figures: map[string]float64{"deliveries_per_s": 1000}},
		result{scenario: "latency", peer: peerRiver, figures: map[string]float64{"p50_ms": 2.34, "p99_ms": 12}})
	var out bytes.Buffer
	rs.printTable(&out, func(row) bool { return true })
	assert.Equal(t, "| | webhook | River | loop | ratio |\n|---|---|---|---|---|\n"+
		"| memory: deliveries/s | 988 |  | 1,000 | 0.99 |\n"+
		"| drain: deliveries/s | 18,900 | 5,000 | 37,900 | 3.79 |\n"+
		"| allocations |  |  | 86 |  |\n"+
		"| 200 events a second: p50 / p99 |  | 2.3 / 12.0 ms |  |  |\n", out.String())
}

func TestEveryRowIsAboutAVariant(t *testing.T) {
	for _, r := range rows {
		named := false
		for i := range scenarios {
			for _, v := range scenarios[i].variants(minSize) {
				named = named || scenarios[i].name == r.scenario && v.name == r.variant
			}
		}
		assert.True(t, named, r)
	}
}

func TestTheReportSaysThatOtherProgramsDisturbedARound(t *testing.T) {
	var out bytes.Buffer
	results{{figures: map[string]float64{"foreign_cpu": 0.05}}}.warn(&out)
	assert.Empty(t, out.String())
	results{{figures: map[string]float64{"foreign_cpu": 0.05}}, {figures: map[string]float64{"foreign_cpu": 0.3}}}.warn(&out)
	assert.Contains(t, out.String(), "In 1 of 2 rounds")
	assert.Contains(t, out.String(), "30 %")
}

func TestPercentileIsTheLeastValueThatThePartDoesNotExceed(t *testing.T) {
	values := make([]int, 1000)
	for i := range values {
		values[i] = i + 1
	}
	for part, want := range map[float64]int{0: 1, 0.5: 500, 0.99: 990, 1: 1000} {
		assert.Equal(t, want, percentile(values, part))
	}
	assert.Equal(t, 2, percentile([]int{1, 2, 3}, 0.5))
	assert.Zero(t, percentile([]int(nil), 0.5))
}

func TestMedianIsInTheMiddle(t *testing.T) {
	values := []float64{3, 1, 2}
	assert.InDelta(t, 2, median(values), 0)
	assert.Equal(t, []float64{3, 1, 2}, values, "the rounds stay in order")
	assert.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 0)
	assert.True(t, math.IsNaN(median(nil)))
}
