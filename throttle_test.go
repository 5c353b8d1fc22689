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
	loud, quiet := EndpointKey{"acme", "loud"}, EndpointKey{"acme", "quiet"}
	for i := range 1000 {
		d.reportOf(loud, "a request cannot be made", errors.New("broken"), slog.String("event", fmt.Sprint("evt", i)))
	}
	d.reportOf(quiet, "a request cannot be made", errors.New("broken"), slog.String("event", "evt1"))
	d.report("results cannot be stored", errors.New("the database is away"))
	d.report("results cannot be stored", errors.New("the database is still away"))
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	require.Len(t, lines, 3, said.String())
	assert.Contains(t, lines[0], `msg="webhook: a request cannot be made" tenant=acme endpoint=loud event=evt0 err=broken`)
	assert.Contains(t, lines[1], `msg="webhook: a request cannot be made" tenant=acme endpoint=quiet event=evt1 err=broken`)
	assert.Contains(t, lines[2], `msg="webhook: results cannot be stored" err="the database is away"`)
}

func TestTheObserverGetsEveryErrorWithItsFacts(t *testing.T) {
	var got []error
	d := &Dispatcher{config: Config{Logger: slog.New(slog.DiscardHandler), Observer: Observer{Error: func(err error) { got = append(got, err) }}}}
	broken := errors.New("broken")
	for range 3 {
		d.reportOf(EndpointKey{"acme", "ep1"}, "a request cannot be made", broken, slog.String("event", "evt1"))
	}
	d.report("leases were lost", nil, slog.Int("leases", 2))
	d.report("deliveries cannot be claimed", broken)
	require.Len(t, got, 5)
	require.EqualError(t, got[2], "webhook: a request cannot be made (tenant=acme endpoint=ep1 event=evt1): broken")
	require.ErrorIs(t, got[2], broken)
	require.EqualError(t, got[3], "webhook: leases were lost (leases=2)")
	require.EqualError(t, got[4], "webhook: deliveries cannot be claimed: broken")
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
	for i := range 2 * maxLogKinds {
		_, ok := th.allow(fmt.Sprint(i), start)
		require.True(t, ok)
		require.LessOrEqual(t, len(th.of), maxLogKinds)
	}
}
