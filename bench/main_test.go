package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be a receiver or a sender.
func TestMain(m *testing.M) {
	if isChild, err := runChild(context.Background()); isChild {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// measureSmall runs a round of the smallest size and returns the lines of JSON.
func measureSmall(t *testing.T, names, peers string) (lines []map[string]any) {
	t.Helper()
	o, err := parse([]string{"-run", names, "-peers", peers, "-n", "500", "-rounds", "1", "-json"}, io.Discard)
	require.NoError(t, err)
	o.anyDisk = true
	var out bytes.Buffer
	err = run(t.Context(), o, &out)
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("WEBHOOK_TEST_REQUIRED") != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var line map[string]any
		require.NoError(t, decoder.Decode(&line))
		lines = append(lines, line)
	}
	return lines
}

// A round fails if a delivery is lost, repeated or not logged, so that it need not be checked here.
func TestEachScenarioMeasures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names, peers string
		rounds       int
		figures      []string
	}{
		{"memory,tls/reused", "webhook,loop", 4, []string{"p50_ms", "allocs", "cpu_sender_us", "cpu_receiver_us"}},
		{"drain/,processes/4", "webhook,river", 3, []string{"statements", "fsyncs", "wal_bytes"}},
		{"steady/fanout10,callers,latency,noisy/backlog", "webhook", 4, []string{"p50_ms", "p99_ms"}},
		{"steady/mariadb,drain/sqlite", "webhook", 2, []string{"allocs", "cpu_sender_us"}},
	} {
		t.Run(c.names, func(t *testing.T) {
			t.Parallel()
			lines := measureSmall(t, c.names, c.peers)
			assert.Len(t, lines, c.rounds)
			for _, line := range lines {
				for _, figure := range append(c.figures, "deliveries_per_s", "deliveries") {
					value, _ := line[figure].(float64)
					assert.Positive(t, value, "%s of %v", figure, line)
				}
			}
		})
	}
}

func TestOverTLSEachHostHasAHandshake(t *testing.T) {
	t.Parallel()
	for _, line := range measureSmall(t, "tls/closed", "webhook,loop") { // 200 deliveries to as many hosts
		assert.InDelta(t, 1, line["handshakes"], 0, "%v", line)
		assert.InDelta(t, 0, line["resumptions"], 0, "%v", line)
	}
}
