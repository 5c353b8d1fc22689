package pacing

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAConstantErrorIsLoggedEverMoreSeldomAndCounted(t *testing.T) {
	var th Throttle
	start := time.Unix(1_000_000, 0)
	var lines []int
	total := 0
	for second := range 400 {
		for range 3 {
			if skipped, ok := th.Allow("settle", start.Add(time.Duration(second)*time.Second)); ok {
				lines = append(lines, second)
				total += skipped + 1
			}
		}
	}
	assert.Equal(t, []int{0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363}, lines)
	assert.Equal(t, 363*3+1, total, "each is counted")
	skipped, ok := th.Allow("settle", start.Add(time.Hour))
	require.True(t, ok)
	assert.Equal(t, 1200-total, skipped)
	_, ok = th.Allow("settle", start.Add(time.Hour+time.Second))
	assert.True(t, ok, "after a while it counts as new")
}

func TestKindsOfErrorsTakeBoundedMemory(t *testing.T) {
	var th Throttle
	start := time.Unix(1_000_000, 0)
	for i := range 2 * maxLogKinds {
		_, ok := th.Allow(fmt.Sprint(i), start)
		require.True(t, ok)
		require.LessOrEqual(t, len(th.of), maxLogKinds)
	}
}
