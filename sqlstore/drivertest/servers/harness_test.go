package servers

import (
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// raceDetector says that the tests of other packages, which start servers too, run with it.
var raceDetector bool

// TestMain fails if something is left after all tests. They start many servers, which takes a
// minute, and are about other processes, which the race detector does not see.
func TestMain(m *testing.M) {
	if raceDetector || os.Getenv("WEBHOOK_TEST_LONG") != "1" {
		fmt.Println("these tests run without the race detector, in make ci or with WEBHOOK_TEST_LONG=1")
		return
	}
	if os.Getenv(beOrphaned) != "" {
		abandonServers()
	}
	code := m.Run()
	if err := StopShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if left := leftGoroutines(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leftGoroutines returns the stacks of goroutines that run our code.
func leftGoroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "gowebhook/webhook") && !strings.Contains(stack, "TestMain") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// throwaway returns a kind that starts a server, also where there is one.
func throwaway(t *testing.T, k *kind) *kind {
	t.Helper()
	fresh := &kind{
		name: k.name, driver: k.driver, create: k.create, older: k.older, drop: k.drop, within: k.within, launch: k.launch, quick: k.quick,
		remedy: k.remedy,
	}
	t.Cleanup(func() { require.NoError(t, fresh.reset()) })
	return fresh
}

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// write makes a table, which must not be there yet, and puts a number in it.
func write(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), "CREATE TABLE numbers (n INT PRIMARY KEY)")
	require.NoError(t, err)
	insert(t, db, n)
}

func insert(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO numbers VALUES (%d)", n))
	require.NoError(t, err)
}

func read(t *testing.T, db *sql.DB) []int {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT n FROM numbers ORDER BY n")
	require.NoError(t, err)
	defer rows.Close()
	var numbers []int
	for rows.Next() {
		var n int
		require.NoError(t, rows.Scan(&n))
		numbers = append(numbers, n)
	}
	require.NoError(t, rows.Err())
	return numbers
}
