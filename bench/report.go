package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"strings"
)

// A row is a line of the tables: one kind of figure of each peer.
type row struct {
	label    string
	scenario string
	variant  string
	format   string // a figure in braces, with the number of its digits after the point
	ratio    string // the figure of the last column
	brief    bool   // the README has it too
}

const (
	rate    = "{deliveries_per_s}"
	latency = "{p50_ms.1} / {p99_ms.1} ms"
	p99     = "{p99_ms.1} ms"
	cpu     = "{cpu_us_per_delivery} µs ({cpu_sender_us} + {cpu_receiver_us})"
	cpuAll  = "{cpu_us_per_delivery} µs ({cpu_sender_us} + {cpu_receiver_us} + {cpu_database_us})"
	counts  = "{statements.3} / {fsyncs.3} / {wal_bytes}"
	shakes  = "{handshakes.2} / {resumptions.2}"

	perSecond = "deliveries_per_s"
	perOne    = "cpu_us_per_delivery"
	slowest   = "p99_ms"
)

var rows = []row{
	{"memory: deliveries/s", "memory", "", rate, perSecond, true},
	{"CPU", "memory", "", cpu, perOne, false},
	{"allocations", "memory", "", "{allocs}", "allocs", false},
	{"drain: deliveries/s", "drain", "", rate, perSecond, true},
	{"CPU", "drain", "", cpuAll, perOne, true},
	{"allocations", "drain", "", "{allocs}", "allocs", false},
	{"statements / fsyncs / bytes of WAL", "drain", "", counts, "wal_bytes", false},
	{"peak of resident memory", "drain", "", "{rss_mb} MB", "rss_mb", false},
	{"drain on MariaDB: deliveries/s", "drain", "mariadb", rate, perSecond, false},
	{"drain on SQLite: deliveries/s", "drain", "sqlite", rate, perSecond, false},
	{"drain by one process: deliveries/s", "processes", "1", rate, perSecond, false},
	{"drain by four processes: deliveries/s", "processes", "4", rate, perSecond, false},
	{"steady: deliveries/s", "steady", "fanout1", rate, perSecond, true},
	{"CPU", "steady", "fanout1", cpuAll, perOne, false},
	{"allocations", "steady", "fanout1", "{allocs}", "allocs", false},
	{"statements / fsyncs / bytes of WAL", "steady", "fanout1", counts, "wal_bytes", false},
	{"p50 / p99", "steady", "fanout1", latency, slowest, false},
	{"steady, each event to ten endpoints: deliveries/s", "steady", "fanout10", rate, perSecond, true},
	{"steady on MariaDB: deliveries/s", "steady", "mariadb", rate, perSecond, false},
	{"steady on SQLite: deliveries/s", "steady", "sqlite", rate, perSecond, false},
	{"256 callers: deliveries/s", "callers", "", rate, perSecond, false},
	{"p50 / p99", "callers", "", latency, slowest, false},
	{"200 events a second: p50 / p99", "latency", "", latency, slowest, true},
	{"ten healthy endpoints: p99", "noisy", "quiet", p99, slowest, false},
	{"nine beside one that hangs: p99", "noisy", "hangs", p99, slowest, true},
	{"the same, with a backlog: p99", "noisy", "backlog", p99, slowest, false},
	{"1,000 TLS hosts, connections reused: deliveries/s", "tls", "reused", rate, perSecond, false},
	{"CPU", "tls", "reused", cpu, perOne, false},
	{"handshakes / resumptions", "tls", "reused", shakes, "handshakes", false},
	{"1,000 TLS hosts, connections closed: deliveries/s", "tls", "closed", rate, perSecond, false},
	{"CPU", "tls", "closed", cpu, perOne, false},
	{"handshakes / resumptions", "tls", "closed", shakes, "handshakes", false},
}

// print writes the tables of docs/performance.md and README.md in Markdown.
func (rs results) print(out io.Writer, o *options) {
	worst, _ := rs.foreign()
	fmt.Fprintf(out, "%d cores, `-n %d`, medians of %d rounds. Other programs used at most %.0f %% of the machine.\n\n",
		runtime.NumCPU(), o.n, o.rounds, 100*worst)
	fmt.Fprintf(out, "docs/performance.md:\n\n")
	rs.printTable(out, func(row) bool { return true })
	fmt.Fprintf(out, "\nREADME.md:\n\n")
	rs.printTable(out, func(r row) bool { return r.brief })
}

// printTable writes the rows with a figure of at least one peer. The last column is the ratio of the
// library to River, or to the loop if River was not measured.
func (rs results) printTable(out io.Writer, included func(row) bool) {
	fmt.Fprintf(out, "| | webhook | River | loop | ratio |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		ours, river, loop := rs.cell(&r, peerWebhook), rs.cell(&r, peerRiver), rs.cell(&r, peerLoop)
		if !included(r) || ours+river+loop == "" {
			continue
		}
		other := peerRiver
		if river == "" {
			other = peerLoop
		}
		ratio := rs.median(r.scenario, peerWebhook, r.variant, r.ratio) / rs.median(r.scenario, other, r.variant, r.ratio)
		last := ""
		if !math.IsNaN(ratio) {
			last = strconv.FormatFloat(ratio, 'f', 2, 64)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", r.label, ours, river, loop, last)
	}
}

// cell fills the format of a row with medians. It is empty if one was not measured.
func (rs results) cell(r *row, peer string) string {
	var b strings.Builder
	for rest := r.format; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			break
		}
		var name string
		name, rest, _ = strings.Cut(after, "}")
		name, digits, _ := strings.Cut(name, ".")
		v := rs.median(r.scenario, peer, r.variant, name)
		if math.IsNaN(v) {
			return ""
		}
		n, _ := strconv.Atoi(digits)
		b.WriteString(number(v, n))
	}
	return b.String()
}

// number writes v with commas between thousands, and numbers from 1,000 up with three
// significant digits.
func number(v float64, digits int) string {
	if v >= 1000 {
		unit := math.Pow(10, math.Floor(math.Log10(v))-2)
		v, digits = math.Round(v/unit)*unit, 0
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	for i := len(s) - 3; digits == 0 && i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
