package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// A result is the figures of one round, by name. A figure that was not measured is missing.
// Costs are for one delivery.
type result struct {
	scenario, peer, variant string

	round   int
	figures map[string]float64
	problem string // why the round is void; empty if it counts
}

// brief returns the result in a line.
func (r *result) brief() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s round %d:", r.scenario, r.peer, r.variant, r.round)
	for _, name := range slices.Sorted(maps.Keys(r.figures)) {
		fmt.Fprintf(&b, " %s %.4g", name, r.figures[name])
	}
	if r.problem != "" {
		fmt.Fprintf(&b, " VOID: %s", r.problem)
	}
	return b.String()
}

// MarshalJSON implements [json.Marshaler]: an object with the figures beside the names.
func (r *result) MarshalJSON() ([]byte, error) {
	line := map[string]any{"scenario": r.scenario, "peer": r.peer, "variant": r.variant, "round": r.round}
	for name, v := range r.figures {
		line[name] = math.Round(v*1000) / 1000
	}
	if r.problem != "" {
		line["problem"] = r.problem
	}
	return json.Marshal(line)
}
