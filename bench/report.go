package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// A column of the table.
type column struct {
	head   string
	figure string
	format string
}

var columns = []column{
	{"deliveries/s", "deliveries_per_s", "%.0f"},
	{"p50 ms", "p50_ms", "%.1f"},
	{"p99 ms", "p99_ms", "%.1f"},
	{"p99.9 ms", "p999_ms", "%.1f"},
	{"CPU µs", "cpu_us_per_delivery", "%.0f"},
	{"sender", "cpu_sender_us", "%.0f"},
	{"receiver", "cpu_receiver_us", "%.0f"},
	{"postgres", "cpu_postgres_us", "%.0f"},
	{"statements", "statements", "%.3f"},
	{"fsyncs", "fsyncs", "%.4f"},
	{"WAL bytes", "wal_bytes", "%.0f"},
	{"allocs", "allocs", "%.1f"},
	{"RSS MB", "rss_mb", "%.0f"},
}

// A table holds the results of a run.
type table []result

// values are one figure of all rounds.
func (t table) values(scenario, peer, variant, figure string) []float64 {
	var values []float64
	for i := range t {
		r := &t[i]
		if r.scenario != scenario || r.peer != peer || r.variant != variant {
			continue
		}
		if v, measured := r.figures[figure]; measured {
			values = append(values, v)
		}
	}
	return values
}

// median is that of one figure over all rounds; NaN if it was not measured.
func (t table) median(scenario, peer, variant, figure string) float64 {
	return median(t.values(scenario, peer, variant, figure))
}

// report prints medians, with the least and the most in parentheses.
func report(out io.Writer, o *options, results table) {
	fmt.Fprintf(out, "\nMedians of %d rounds (least–most), -n %d. CPU, statements, fsyncs, WAL and allocations are for each delivery.\n", o.rounds, o.n)
	for _, name := range o.scenarios {
		results.printScenario(out, name)
	}
	printTargets(out, results)
	results.printForeign(out)
}

// foreignLimit is the part of the machine that others may use before times and rates mean little.
const foreignLimit = 0.1

// printForeign warns if the machine was not ours alone.
func (t table) printForeign(out io.Writer) {
	worst, n := 0.0, 0
	for i := range t {
		if share := t[i].figures["foreign_cpu"]; share > foreignLimit {
			worst, n = max(worst, share), n+1
		}
	}
	if n > 0 {
		fmt.Fprintf(out, "\nIn %d of %d rounds other programs used more than %.0f %% of this machine, up to %.0f %%: repeat it when they have ended.\n",
			n, len(t), 100*foreignLimit, 100*worst)
	}
}

func (t table) printScenario(out io.Writer, scenario string) {
	fmt.Fprintf(out, "\n%s\n", scenario)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	fmt.Fprintf(w, "  \t%s\n", strings.Join(heads, "\t"))
	var others []string
	done := make(map[string]bool)
	for i := range t {
		r := &t[i]
		if r.scenario != scenario || done[r.label()] {
			continue
		}
		done[r.label()] = true
		label := strings.TrimSpace(r.peer + " " + r.variant)
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = spreadOf(t.values(scenario, r.peer, r.variant, c.figure), c.format)
		}
		fmt.Fprintf(w, "  %s\t%s\n", label, strings.Join(cells, "\t"))
		for _, name := range slices.Sorted(maps.Keys(r.figures)) {
			if !printed(name) {
				others = append(others, fmt.Sprintf("  %s\t%s\t%s", label, name, spreadOf(t.values(scenario, r.peer, r.variant, name), "%.4g")))
			}
		}
	}
	_ = w.Flush()
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range others {
		fmt.Fprintln(w, line)
	}
	_ = w.Flush()
}

// printed reports whether a figure is in the table, or says nothing when the round counts.
func printed(figure string) bool {
	return slices.ContainsFunc(columns, func(c column) bool { return c.figure == figure }) ||
		slices.Contains([]string{"lost", "duplicates", "deliveries", "foreign_cpu"}, figure)
}

// spreadOf writes a median with the least and the most.
func spreadOf(values []float64, format string) string {
	m := median(values)
	if math.IsNaN(m) {
		return "–"
	}
	one := func(v float64) string { return fmt.Sprintf(format, v) }
	if len(values) == 1 {
		return one(m)
	}
	return fmt.Sprintf("%s (%s–%s)", one(m), one(slices.Min(values)), one(slices.Max(values)))
}
