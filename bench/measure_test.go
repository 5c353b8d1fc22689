package main

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPercentileIsTheLeastValueThatSoManyDoNotExceed(t *testing.T) {
	values := make([]int, 1000)
	for i := range values {
		values[i] = i + 1
	}
	assert.Equal(t, 500, percentile(values, 0.5))
	assert.Equal(t, 990, percentile(values, 0.99))
	assert.Equal(t, 999, percentile(values, 0.999))
	assert.Equal(t, 1000, percentile(values, 1))
	assert.Equal(t, 1, percentile(values, 0))
	assert.Equal(t, 7, percentile([]int{7}, 0.999))
	assert.Equal(t, 2, percentile([]int{1, 2, 3}, 0.5))
	assert.Zero(t, percentile([]int(nil), 0.5))
}

func TestMedianIsInTheMiddle(t *testing.T) {
	assert.InDelta(t, 2, median([]float64{3, 1, 2}), 0)
	assert.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 0)
	assert.True(t, math.IsNaN(median(nil)))
	values := []float64{3, 1, 2}
	median(values)
	assert.Equal(t, []float64{3, 1, 2}, values, "the rounds stay in order")
}

func TestParseStatKnowsNamesWithSpacesAndParentheses(t *testing.T) {
	stat := "4711 (a) b ( c)) S 17 4711 4711 0 -1 4194560 811 5 0 0 123 45 67 8 20 0 1 0 900 1000 20 18446744073709551615 0\n"
	got, err := parseStat([]byte(stat))
	require.NoError(t, err)
	assert.Equal(t, procStat{parent: 17, cpu: 1680 * time.Millisecond, children: 750 * time.Millisecond}, got)

	for _, bad := range []string{"", "4711 postgres S 1", "4711 (postgres) S 1 2 3", "4711 (postgres) S x 0 0 0 0 0 0 0 0 0 0 1 2 3 4 5"} {
		_, err := parseStat([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestTheMachineIsBusyUnlessItIsIdleOrWaits(t *testing.T) {
	busy, err := parseBusy([]byte("cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n"))
	require.NoError(t, err)
	assert.Equal(t, (100+20+30+6+7+8)*10*time.Millisecond, busy)
	for _, bad := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 7 x"} {
		_, err := parseBusy([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestAProcessBelongsToItsParent(t *testing.T) {
	own, err := readStat(os.Getpid())
	if os.IsNotExist(err) {
		t.Skip("there is no /proc on this system")
	}
	require.NoError(t, err)
	assert.Equal(t, os.Getppid(), own.parent)
	family, err := familyCPU(os.Getppid())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, family, own.cpu)
	assert.Positive(t, peakResident())
}

func TestABodySaysWhenItsEventWasEmitted(t *testing.T) {
	before := time.Now().UnixNano()
	at := emittedAt(encode(eventType, time.Now(), eventData(7, text)))
	assert.GreaterOrEqual(t, at, before)
	assert.LessOrEqual(t, at, time.Now().UnixNano())
	assert.Equal(t, int64(12), emittedAt([]byte(`{"data":{"n": 7, "at": 12, "text": ""}}`)), "as jsonb writes it")
	assert.Zero(t, emittedAt([]byte(`{"data":{}}`)))
	assert.InDelta(t, bodySize, len(encode(eventType, time.Now(), eventData(49_999, text))), 32)
}
