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

	"github.com/gowebhook/webhook/internal/contract"
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

func TestTheLogSaysWhenAnEndpointFailsAndRecovers(t *testing.T) {
	var said strings.Builder
	var told, disabled []string
	d := &Dispatcher{config: Config{Logger: slog.New(slog.NewTextHandler(&said, nil)), Observer: Observer{
		Notice:   func(n Notice) { told = append(told, n.Type) },
		Disabled: func(_ EndpointKey, reason Reason) { disabled = append(disabled, string(reason)) },
	}}}
	key := EndpointKey{"acme", "ep1"}
	h := Health{Failures: 7, FailingSince: time.Unix(100, 0).UTC(), LastClass: ClassStatus, LastStatus: 503, RecoveredAt: time.Unix(200, 0).UTC()}
	blocked := h
	blocked.Circuit, blocked.BlockedUntil = true, time.Unix(300, 0).UTC()
	d.logCircuit(&EndpointStatus{Key: key, Health: blocked})
	d.logCircuit(&EndpointStatus{Key: key})
	d.notice([]Notice{
		{Type: contract.TypeFailing, Endpoint: key, Health: h},
		{Type: contract.TypeDisabling, Endpoint: key, Health: h, Silent: true},
		{Type: contract.TypeDisabled, Endpoint: key, Health: h, Reason: ReasonFailing},
		{Type: contract.TypeRecovered, Endpoint: key, Health: h},
		{Type: contract.TypeDeliveryFailed, Endpoint: key, Health: h},
	})
	const health = " tenant=acme endpoint=ep1 failures=7 since=1970-01-01T00:01:40.000Z class=http_status status=503"
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	require.Len(t, lines, 6, said.String())
	for i, want := range []string{
		`level=WARN msg="webhook: the circuit of an endpoint is open"` + health + " until=1970-01-01T00:05:00.000Z",
		`level=INFO msg="webhook: the circuit of an endpoint is closed" tenant=acme endpoint=ep1`,
		`level=WARN msg="webhook: an endpoint is failing"` + health,
		`level=WARN msg="webhook: an endpoint will be disabled soon"` + health,
		`level=WARN msg="webhook: an endpoint was disabled"` + health + " reason=failing",
		`level=INFO msg="webhook: an endpoint has recovered" tenant=acme endpoint=ep1 at=1970-01-01T00:03:20.000Z`,
	} {
		assert.Contains(t, lines[i], want)
	}
	assert.Equal(t, []string{contract.TypeFailing, contract.TypeDisabling, contract.TypeDisabled, contract.TypeRecovered, contract.TypeDeliveryFailed}, told)
	assert.Equal(t, []string{"failing"}, disabled)
}
