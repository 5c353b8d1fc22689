package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheDefaultIsEverything(t *testing.T) {
	t.Setenv("WEBHOOK_TEST_POSTGRES", "")
	o, err := parse(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, scenarioNames(), o.scenarios)
	assert.Equal(t, peerNames, o.peers)
	assert.Equal(t, fullSize, o.n)
	assert.Equal(t, 3, o.rounds)
	assert.Equal(t, defaultPostgres, o.postgres)
}

func TestTheServerMayComeFromTheEnvironment(t *testing.T) {
	t.Setenv("WEBHOOK_TEST_POSTGRES", "postgres://elsewhere")
	o, err := parse(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "postgres://elsewhere", o.postgres)
	o, err = parse([]string{"-postgres", "postgres://here"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "postgres://here", o.postgres)
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"-run", "drain,unknown"},
		{"-run", ""},
		{"-peers", "webhook,nobody"},
		{"-n", "10"},
		{"-rounds", "0"},
		{"drain"},
	} {
		_, err := parse(args, io.Discard)
		assert.Error(t, err, args)
	}
	o, err := parse([]string{"-run", "steady,drain", "-peers", "river", "-short"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, []string{"steady", "drain"}, o.scenarios)
	assert.Equal(t, shortSize, o.n)
	assert.Equal(t, 1, o.rounds)
	o, err = parse([]string{"-short", "-rounds", "3"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, shortSize, o.n)
	assert.Equal(t, 3, o.rounds)
}

func TestOnlyServersOnThisMachineAreUsed(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1", "localhost", "/var/run/postgresql"} {
		assert.True(t, loopback(host), host)
	}
	for _, host := range []string{"10.0.0.1", "db.example", "", "0.0.0.0"} {
		assert.False(t, loopback(host), host)
	}
}

// Sizes that are derived from the smallest -n are not zero, and no scenario expects nothing of a load that delivers.
func TestEveryPlanOfTheSmallestSizeHasWork(t *testing.T) {
	for _, s := range scenarios {
		for _, p := range s.plans(minSize) {
			label := s.name + " " + p.peer + " " + p.variant
			if p.prepared.Match == 0 {
				assert.Len(t, p.prepared.Layout.endpoints(addresses{}), p.prepared.Layout.count(), label)
			}
			if p.load.Kind == loadProbe {
				assert.Zero(t, p.expect, label)
				continue
			}
			assert.Positive(t, p.expect, label)
			if p.load.Kind != loadNone {
				assert.Equal(t, p.expect+p.others, max(p.load.Events, 1)*p.prepared.Layout.Fanout, label)
			} else {
				assert.Equal(t, p.expect, p.prepared.Preload*p.prepared.Layout.Fanout, label)
			}
		}
	}
}
