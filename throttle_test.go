package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAConstantErrorHidesNoOther(t *testing.T) {
	var said strings.Builder
	d := &Dispatcher{config: Config{Logger: slog.New(slog.NewTextHandler(&said, nil))}}
	for i := range 1000 {
		d.report(fmt.Errorf("event evt%d to endpoint %q: profile %q: broken", i, "loud", "p"))
	}
	d.report(fmt.Errorf("event evt1 to endpoint %q: profile %q: broken", "quiet", "p"))
	d.report(errors.New("settle: the database is away"))
	d.report(errors.New("settle: the database is still away"))
	assert.Equal(t, 3, strings.Count(said.String(), "\n"), said.String())
	assert.Contains(t, said.String(), "quiet")
	assert.Contains(t, said.String(), "settle")
}

func TestAConstantErrorIsLoggedEverMoreSeldomAndCounted(t *testing.T) {
	var th throttle
	start := time.Unix(1_000_000, 0)
	var lines []int
	total := 0
	for second := range 400 {
		for range 3 {
			if skipped, ok := th.allow("settle", start.Add(time.Duration(second)*time.Second)); ok {
				lines = append(lines, second)
				total += skipped + 1
			}
		}
	}
	assert.Equal(t, []int{0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363}, lines)
	assert.Equal(t, 363*3+1, total, "each is counted")
	skipped, ok := th.allow("settle", start.Add(time.Hour))
	require.True(t, ok)
	assert.Equal(t, 1200-total, skipped)
	_, ok = th.allow("settle", start.Add(time.Hour+time.Second))
	assert.True(t, ok, "after a while it counts as new")
}

func TestKindsOfErrorsTakeBoundedMemory(t *testing.T) {
	var th throttle
	start := time.Unix(1_000_000, 0)
	for i := range 10 * maxLogKinds {
		_, ok := th.allow(fmt.Sprint(i), start)
		require.True(t, ok)
		require.LessOrEqual(t, len(th.of), maxLogKinds)
	}
	assert.LessOrEqual(t, len(kindOf(errors.New(strings.Repeat("x", 10_000)))), maxErrorBytes+3)
}
