package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/examples/internal/database/databasetest"
)

func TestASecondRunShowsTheLogOfTheFirst(t *testing.T) {
	for name, where := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return filepath.Join(t.TempDir(), "quickstart.db") },
		"PostgreSQL": databasetest.Postgres,
		"MariaDB":    databasetest.MySQL,
	} {
		t.Run(name, func(t *testing.T) { runTwice(t, where(t)) })
	}
}

func runTwice(t *testing.T, database string) {
	t.Helper()
	for runs := 1; runs <= 2; runs++ {
		var out strings.Builder
		require.NoError(t, run(t.Context(), &out, database))
		_, log, found := strings.Cut(out.String(), "RESULT\n")
		require.True(t, found, out.String())
		assert.Equal(t, 4*runs, strings.Count(log, "delivered"), out.String())
		assert.Equal(t, 2*runs, strings.Count(log, "retry in"), out.String())
		assert.Contains(t, log, "All 4 deliveries arrived.")
	}
}

func TestItRunsInMemoryToo(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, "memory"))
	assert.Contains(t, out.String(), "All 4 deliveries arrived.")
}

func TestAnUnknownDatabaseIsRefused(t *testing.T) {
	var out strings.Builder
	err := run(t.Context(), &out, "redis://localhost")
	assert.ErrorContains(t, err, "use a file name, postgres://…, mysql://… or memory")
}
