package main

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseStatKnowsNamesWithSpacesAndParentheses(t *testing.T) {
	stat := "4711 (a) b ( c)) S 17 4711 4711 0 -1 4194560 811 5 0 0 123 45 67 8 20 0 1 0 900 1000 20 18446744073709551615 0\n"
	got, err := parseStat([]byte(stat))
	require.NoError(t, err)
	assert.Equal(t, procStat{parent: 17, cpu: 1680 * time.Millisecond, ended: 750 * time.Millisecond}, got)

	for _, bad := range []string{"", "4711 postgres S 1", "4711 (postgres) S 1 2 3", "4711 (postgres) S x 0 0 0 0 0 0 0 0 0 0 1 2 3 4 5"} {
		_, err := parseStat([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestTheCPUOfThisProcessIsPartOfTheMachines(t *testing.T) {
	own, err := readStat(strconv.Itoa(os.Getpid()))
	if os.IsNotExist(err) {
		t.Skip("there is no /proc on this system")
	}
	require.NoError(t, err)
	assert.Equal(t, os.Getppid(), own.parent)
	family, err := familyCPU(os.Getppid())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, family, own.cpu)
	if busy := machineBusy(); busy > 0 {
		assert.Greater(t, busy, ownCPU())
	}
	assert.Positive(t, peakResident())
}

func TestABodyHasTheTimeOfItsEvent(t *testing.T) {
	before := time.Now().UnixNano()
	e := newEvent(7, 0)
	at := emittedAt(encode(time.Now(), e.Data))
	assert.GreaterOrEqual(t, at, before)
	assert.LessOrEqual(t, at, time.Now().UnixNano())
	assert.Equal(t, int64(12), emittedAt([]byte(`{"data":{"n": 7, "at": 12, "text": ""}}`)), "as jsonb has it")
	assert.Zero(t, emittedAt([]byte(`{"data":{}}`)))
	assert.InDelta(t, bodySize, len(encode(time.Now(), newEvent(49_999, 0).Data)), 32)
}
