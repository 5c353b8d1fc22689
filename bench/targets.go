package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// A target is what the library must reach, as medians of one run.
type target struct {
	what   string
	wanted string
	// judge returns the figure, and whether it is met; NaN if it was not measured.
	judge func(t table) (float64, bool)
}

// A median names a figure in the results.
type medianOf struct{ scenario, peer, variant, figure string }

func (m medianOf) of(t table) float64 { return t.median(m.scenario, m.peer, m.variant, m.figure) }

// ratio is met if a / b is at least, or at most, the bound.
func ratio(what string, a, b medianOf, atLeast bool, bound float64) target {
	wanted, met := limit(atLeast, bound)
	return target{what, wanted, func(t table) (float64, bool) {
		r := a.of(t) / b.of(t)
		return r, met(r)
	}}
}

// bounded is met if a figure is at least, or at most, the bound.
func bounded(what string, a medianOf, atLeast bool, bound float64) target {
	wanted, met := limit(atLeast, bound)
	return target{what, wanted, func(t table) (float64, bool) {
		v := a.of(t)
		return v, met(v)
	}}
}

func limit(atLeast bool, bound float64) (wanted string, met func(float64) bool) {
	if atLeast {
		return fmt.Sprintf("≥ %g", bound), func(v float64) bool { return v >= bound }
	}
	return fmt.Sprintf("≤ %g", bound), func(v float64) bool { return v <= bound }
}

// either is met if one of two targets for the same thing is. The figure is the first one's.
func either(a, b target) target {
	return target{a.what, a.wanted + ", or " + b.what + " " + b.wanted, func(t table) (float64, bool) {
		v, met := a.judge(t)
		_, other := b.judge(t)
		return v, met || other
	}}
}

func targets() []target {
	rate := func(scenario, peer, variant string) medianOf {
		return medianOf{scenario, peer, variant, "deliveries_per_s"}
	}
	hook := func(scenario, variant, figure string) medianOf {
		return medianOf{scenario, peerWebhook, variant, figure}
	}
	river := func(scenario, variant, figure string) medianOf {
		return medianOf{scenario, peerRiver, variant, figure}
	}
	return []target{
		ratio("drain: webhook / river", rate("drain", peerWebhook, ""), rate("drain", peerRiver, ""), true, 5),
		ratio("drain: webhook / raw", rate("drain", peerWebhook, ""), rate("drain", peerRaw, ""), true, 0.45),
		ratio("steady: webhook / river", rate("steady", peerWebhook, "fanout1"), rate("steady", peerRiver, "fanout1"), true, 5),
		bounded("steady: p50 ms", hook("steady", "fanout1", "p50_ms"), false, 20),
		ratio("steady, fan-out 10: webhook / river", rate("steady", peerWebhook, "fanout10"), rate("steady", peerRiver, "fanout10"), true, 4),
		ratio("steady: SQLite / PostgreSQL", rate("steady", peerWebhook, "sqlite"), rate("steady", peerWebhook, "fanout1"), true, 0.6),
		either(bounded("latency: p50 ms", hook("latency", "", "p50_ms"), false, 2),
			ratio("webhook / river", hook("latency", "", "p50_ms"), river("latency", "", "p50_ms"), false, 0.5)),
		ratio("latency: p99, webhook / river", hook("latency", "", "p99_ms"), river("latency", "", "p99_ms"), false, 0.25),
		bounded("noisy: share of the offered to the healthy", hook("noisy", "hangs", "share"), true, 0.99),
		ratio("noisy: p99, with / without the one that hangs", hook("noisy", "hangs", "p99_ms"), hook("noisy", "quiet", "p99_ms"), false, 2),
		ratio("backlog: claim, large / small", hook("backlog", "large", "claim_ms"), hook("backlog", "small", "claim_ms"), false, 2),
		withinNoise("backlog: healthy p99, with / without", hook("backlog", "large", "p99_ms"), hook("backlog", "none", "p99_ms")),
		bounded("backlog: empty claim ms", hook("backlog", "future", "claim_ms"), false, 1),
		ratio("processes: 2 / 1", rate("processes", peerWebhook, "2"), rate("processes", peerWebhook, "1"), true, 0.9),
		ratio("processes: 4 / 1", rate("processes", peerWebhook, "4"), rate("processes", peerWebhook, "1"), true, 0.9),
		ratio("match: Emit, many endpoints / 10", hook("match", "many", "emit_ms"), hook("match", "few", "emit_ms"), false, 1.3),
		ratio("match: Emit, no subscriber / one", hook("match", "many", "emit_none_ms"), hook("match", "many", "emit_one_ms"), false, 0.5),
		ratio("match: EmitTx, no subscriber / one", hook("match", "many", "emittx_none_ms"), hook("match", "many", "emittx_one_ms"), false, 1.1),
		bounded("fanout: rows stored a second", hook("fanout", "store", "rows_per_s"), true, 50_000),
		{"everywhere: RSS MB", "≤ 150", func(t table) (float64, bool) {
			worst := math.NaN()
			for i := range t {
				if rss, measured := t[i].figures["rss_mb"]; measured && t[i].peer == peerWebhook && t[i].scenario != "memory" {
					worst = math.Max(rss, onlyNumber(worst))
				}
			}
			return worst, worst <= 150
		}},
	}
}

func onlyNumber(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// withinNoise is met if the rounds of a reach into those of b.
func withinNoise(what string, a, b medianOf) target {
	return target{what, "overlap of the rounds", func(t table) (float64, bool) {
		with, without := t.values(a.scenario, a.peer, a.variant, a.figure), t.values(b.scenario, b.peer, b.variant, b.figure)
		if len(with) == 0 || len(without) == 0 {
			return math.NaN(), false
		}
		return median(with) / median(without), slices.Min(with) <= slices.Max(without)
	}}
}

// printTargets prints those of which anything was measured.
func printTargets(out io.Writer, results table) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\ntarget\tmeasured\twanted\t\n")
	for _, one := range targets() {
		value, met := one.judge(results)
		if math.IsNaN(value) {
			continue
		}
		verdict := "MISSED"
		if met {
			verdict = "met"
		}
		fmt.Fprintf(w, "%s\t%.4g\t%s\t%s\n", one.what, value, one.wanted, verdict)
	}
	_ = w.Flush()
}
