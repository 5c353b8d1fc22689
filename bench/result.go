package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A result is one round of one peer. Its figures have the names that they have in JSON; one that was not measured is missing.
type result struct {
	scenario, peer, variant string

	round   int
	figures map[string]float64
	problem string // why the round is void; empty if it is not
}

// Figures that every line of JSON has, null if they were not measured. The counts are for each delivery.
var standard = []string{
	"deliveries_per_s", "p50_ms", "p99_ms", "p999_ms", "cpu_us_per_delivery", "rss_mb", "duplicates", "lost",
	"statements", "fsyncs", "wal_bytes", "allocs",
}

// label names what was measured.
func (r *result) label() string {
	return strings.TrimSpace(r.scenario + " " + r.peer + " " + r.variant)
}

// brief is the result in a line.
func (r *result) brief() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.figures)) {
		parts = append(parts, fmt.Sprintf("%s %.4g", name, r.figures[name]))
	}
	return strings.Join(parts, ", ")
}

// MarshalJSON implements [json.Marshaler]: an object in one line.
func (r *result) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"scenario":%q,"peer":%q,"variant":%q,"round":%d`, r.scenario, r.peer, r.variant, r.round)
	names := slices.Clone(standard)
	for _, name := range slices.Sorted(maps.Keys(r.figures)) {
		if !slices.Contains(standard, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		value, measured := r.figures[name]
		if !measured || math.IsNaN(value) || math.IsInf(value, 0) {
			fmt.Fprintf(&b, `,%q:null`, name)
			continue
		}
		number, err := json.Marshal(math.Round(value*1000) / 1000)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `,%q:%s`, name, number)
	}
	if r.problem != "" {
		fmt.Fprintf(&b, `,"problem":%q`, r.problem)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// result makes figures of what was measured, and judges the round.
func (m *measured) result(scenario string, round int) result {
	r := result{scenario: scenario, peer: m.plan.peer, variant: m.plan.variant, round: round, figures: m.extra}
	if m.plan.figures != nil {
		maps.Copy(r.figures, m.plan.figures(m))
	}
	var peak uint64
	for i := range m.outcomes {
		peak = max(peak, m.outcomes[i].PeakBytes)
	}
	if len(m.outcomes) == 1 { // those of several processes say nothing together
		maps.Copy(r.figures, m.outcomes[0].Figures)
	}
	r.figures["rss_mb"] = float64(peak) / 1e6
	if m.plan.expect == 0 {
		return r
	}
	r.problem = m.problem()
	seen := m.tally.Groups[healthy]
	r.figures["lost"] = float64(m.plan.expect - seen.Distinct)
	r.figures["duplicates"] = float64(seen.Requests - seen.Distinct)
	r.figures["deliveries"] = float64(seen.Distinct)
	r.figures["deliveries_per_s"] = float64(seen.Distinct) / m.last.Sub(m.began).Seconds()
	if !m.plan.preloaded {
		r.figures["p50_ms"], r.figures["p99_ms"], r.figures["p999_ms"] = milliseconds(seen.P50), milliseconds(seen.P99), milliseconds(seen.P999)
	}
	m.costs(r.figures)
	return r
}

// costs are what a delivery took.
func (m *measured) costs(figures map[string]float64) {
	each := 1 / float64(m.plan.expect+m.plan.others)
	var sender float64
	var mallocs, statements float64
	for i := range m.outcomes {
		o := &m.outcomes[i]
		sender += microseconds(o.CPU)
		mallocs += float64(o.Mallocs)
		statements += float64(o.Statements)
	}
	figures["allocs"] = mallocs * each
	figures["cpu_sender_us"] = sender * each
	figures["cpu_receiver_us"] = microseconds(m.receiver) * each
	total := figures["cpu_sender_us"] + figures["cpu_receiver_us"]
	if m.plan.usesPostgres() {
		figures["statements"] = statements * each
		figures["wal_bytes"] = float64(m.after.wal-m.before.wal) * each
		if m.after.syncs >= 0 {
			figures["fsyncs"] = float64(m.after.syncs-m.before.syncs) * each
		}
		if m.after.cpu < 0 {
			return // the sum would lack the largest part
		}
		figures["cpu_postgres_us"] = microseconds(m.after.cpu-m.before.cpu) * each
		total += figures["cpu_postgres_us"]
	}
	figures["cpu_us_per_delivery"] = total
	if m.machine > 0 {
		// What the kernel does for all is in it, a few hundredths.
		ours := time.Duration(total / each * float64(time.Microsecond))
		figures["foreign_cpu"] = max(0, float64(m.machine-ours)/float64(m.took)/float64(runtime.NumCPU()))
	}
}

// problem says what was not as it must be.
func (m *measured) problem() string {
	var problems []string
	check := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	seen := m.tally.Groups[healthy]
	check(seen.Distinct != m.plan.expect, "%d deliveries arrived, not %d", seen.Distinct, m.plan.expect)
	check(seen.Requests != seen.Distinct, "%d requests for %d deliveries", seen.Requests, seen.Distinct)
	for name, g := range m.tally.Groups {
		check(g.Invalid > 0, "%d invalid signatures (%s)", g.Invalid, name)
	}
	logged := m.logged - m.plan.warmed()
	check(m.logged >= 0 && logged != seen.Requests, "%d rows in the log for %d requests", logged, seen.Requests)
	return strings.Join(problems, "; ")
}
