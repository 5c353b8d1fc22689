package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// A row is a line of the tables: one kind of figure of each peer.
type row struct {
	label    string
	scenario string
	variant  string
	format   string // a figure in braces, with the number of its digits after the point
	brief    bool   // the README has it too
}

const (
	rate    = "{deliveries_per_s}"
	latency = "{p50_ms.1} / {p99_ms.1} ms"
	cpu     = "{cpu_us_per_delivery} µs ({cpu_sender_us} + {cpu_receiver_us})"
	cpuAll  = "{cpu_us_per_delivery} µs ({cpu_sender_us} + {cpu_receiver_us} + {cpu_database_us})"
	costs   = "{statements.3}, {fsyncs.3}, {wal_bytes}"
	tlsRate = "{deliveries_per_s}, {handshakes.2} / {resumptions.2}"
)

var rows = []row{
	{"**memory**, deliveries/s", "memory", "", rate, true},
	{"CPU (sender + receiver)", "memory", "", cpu, false},
	{"allocations", "memory", "", "{allocs}", false},
	{"**drain**, deliveries/s", "drain", "", rate, true},
	{"CPU (sender + receiver + database)", "drain", "", cpuAll, true},
	{"allocations", "drain", "", "{allocs}", false},
	{"statements, fsyncs, bytes of WAL", "drain", "", costs, false},
	{"on MariaDB, deliveries/s", "drain", "mariadb", rate, false},
	{"on SQLite, deliveries/s", "drain", "sqlite", rate, false},
	{"**processes**: one, deliveries/s", "processes", "1", rate, false},
	{"four, deliveries/s", "processes", "4", rate, false},
	{"**steady**, deliveries/s", "steady", "fanout1", rate, true},
	{"p50 / p99", "steady", "fanout1", latency, false},
	{"CPU", "steady", "fanout1", cpuAll, false},
	{"statements, fsyncs, bytes of WAL", "steady", "fanout1", costs, false},
	{"to ten endpoints each, deliveries/s", "steady", "fanout10", rate, true},
	{"on MariaDB, deliveries/s", "steady", "mariadb", rate, false},
	{"on SQLite, deliveries/s", "steady", "sqlite", rate, false},
	{"**callers**: 256 goroutines, deliveries/s", "callers", "", rate, false},
	{"p50 / p99", "callers", "", latency, false},
	{"**latency** at 200/s, p50 / p99", "latency", "", latency, true},
	{"**noisy**: ten healthy endpoints, p99", "noisy", "quiet", "{p99_ms.1} ms", false},
	{"nine beside one that hangs, p99", "noisy", "hangs", "{p99_ms.1} ms", true},
	{"the same with a backlog, p99", "noisy", "backlog", "{p99_ms.1} ms", false},
	{"**tls**, kept connections: deliveries/s, handshakes / resumptions", "tls", "reused", tlsRate, false},
	{"closed connections: deliveries/s, handshakes / resumptions", "tls", "closed", tlsRate, false},
}

// print writes the tables of docs/performance.md and README.md in Markdown.
func (rs results) print(out io.Writer) {
	fmt.Fprintf(out, "docs/performance.md:\n\n")
	rs.printTable(out, func(row) bool { return true })
	fmt.Fprintf(out, "\nREADME.md:\n\n")
	rs.printTable(out, func(r row) bool { return r.brief })
}

// printTable writes the rows of which a peer was measured.
func (rs results) printTable(out io.Writer, included func(row) bool) {
	fmt.Fprintf(out, "| | %s |\n|%s\n", strings.Join(peerNames, " | "), strings.Repeat("---|", 1+len(peerNames)))
	for _, r := range rows {
		cells, measured := make([]string, len(peerNames)), false
		for i, peer := range peerNames {
			cells[i] = rs.cell(&r, peer)
			measured = measured || cells[i] != ""
		}
		if measured && included(r) {
			fmt.Fprintf(out, "| %s | %s |\n", r.label, strings.Join(cells, " | "))
		}
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
