package main

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// Results are the rounds of a run.
type results []result

// median returns the median of a figure over the rounds that count; NaN if it was not measured.
func (rs results) median(scenario, peer, variant, figure string) float64 {
	var values []float64
	for i := range rs {
		r := &rs[i]
		if v, measured := r.figures[figure]; measured && r.problem == "" && r.scenario == scenario && r.peer == peer && r.variant == variant {
			values = append(values, v)
		}
	}
	return median(values)
}

// foreignLimit is the part of the machine that other programs may use.
const foreignLimit = 0.1

// foreign returns the largest part that other programs used, and in how many rounds it was
// above the limit.
func (rs results) foreign() (worst float64, above int) {
	for i := range rs {
		share := rs[i].figures["foreign_cpu"]
		worst = max(worst, share)
		if share > foreignLimit {
			above++
		}
	}
	return worst, above
}

// warn says if other programs disturbed the run.
func (rs results) warn(out io.Writer) {
	if worst, n := rs.foreign(); n > 0 {
		fmt.Fprintf(out, "In %d of %d rounds other programs used more than %.0f %% of the machine, up to %.0f %%. Repeat the run without them.\n",
			n, len(rs), 100*foreignLimit, 100*worst)
	}
}

// percentile returns the least value that this part of the sorted values does not exceed.
func percentile[T any](sorted []T, part float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	n := int(math.Ceil(part * float64(len(sorted))))
	return sorted[min(max(n, 1), len(sorted))-1]
}

// median returns the middle value, or the mean of the two in the middle; NaN if there are none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}
