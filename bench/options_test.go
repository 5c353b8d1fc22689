package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheDefaultIsEverything(t *testing.T) {
	o, err := parse(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, scenarioNames(), o.run)
	assert.Equal(t, peerNames, o.peers)
	assert.Equal(t, defaultSize, o.n)
	assert.Equal(t, 3, o.rounds)
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"-run", "drain,unknown"}, {"-run", "drain/unknown"}, {"-run", ""}, {"-peers", "webhook,nobody"}, {"-n", "10"}, {"-rounds", "0"}, {"drain"},
	} {
		_, err := parse(args, io.Discard)
		assert.Error(t, err, args)
	}
}

func TestVariantsAreSelectedByScenarioNameAndPeer(t *testing.T) {
	drain := &scenarios[1]
	for _, c := range []struct {
		names, peers []string
		want         int
	}{
		{[]string{"drain"}, peerNames, 5},
		{[]string{"drain/"}, peerNames, 3},
		{[]string{"memory", "drain/sqlite"}, peerNames, 1},
		{[]string{"drain"}, []string{peerRiver}, 1},
		{[]string{"steady"}, peerNames, 0},
	} {
		assert.Len(t, drain.selected(c.names, c.peers, minSize), c.want, c.names)
	}
}

// Sizes that are derived from the smallest -n are not zero, and each variant waits for the
// deliveries that its load or dataset makes.
func TestEachVariantOfTheSmallestSizeHasWork(t *testing.T) {
	for _, s := range scenarios {
		for _, v := range s.variants(minSize) {
			each := v.dataset.Targets.Endpoints
			if v.dataset.Targets.Hangs {
				each--
			}
			assert.Positive(t, v.expect, v.label(s.name))
			assert.Equal(t, v.expect, (v.load.Events+v.dataset.Preload)*each, v.label(s.name))
		}
	}
}
