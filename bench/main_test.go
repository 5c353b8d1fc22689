package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be what run starts: a receiver or a sender.
func TestMain(m *testing.M) {
	if isChild, err := beChild(context.Background()); isChild {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestARoundInMemoryCountsEveryDelivery(t *testing.T) {
	o, err := parse([]string{"-run", "memory", "-n", "500", "-rounds", "1", "-json"}, os.Stderr)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), o, &out))

	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	require.Len(t, lines, 2)
	for i, peer := range []string{peerRaw, peerWebhook} {
		var got map[string]any
		require.NoError(t, json.Unmarshal(lines[i], &got))
		assert.Equal(t, "memory", got["scenario"])
		assert.Equal(t, peer, got["peer"])
		assert.InDelta(t, 1, got["round"], 0)
		assert.InDelta(t, 500, got["deliveries"], 0)
		assert.InDelta(t, 0, got["lost"], 0)
		assert.InDelta(t, 0, got["duplicates"], 0)
		assert.Positive(t, got["deliveries_per_s"])
		assert.Positive(t, got["p50_ms"])
		assert.Positive(t, got["cpu_us_per_delivery"])
		assert.Positive(t, got["allocs"])
		assert.Contains(t, got, "fsyncs")
		assert.Nil(t, got["fsyncs"], "there is no database")
	}
}
