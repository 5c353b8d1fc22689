package servers

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

func TestEachDatabaseIsEmptyAndTheOnlyOneOfItsTest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, driver string
		database     func(testing.TB) string
	}{
		{"Postgres", "pgx", Postgres},
		{"MySQL", "mysql", MySQL},
		{"SQLite", "sqlite", SQLite},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for i := range 2 {
				db := open(t, c.driver, c.database(t))
				write(t, db, i)
				assert.Equal(t, []int{i}, read(t, db))
			}
		})
	}
}

func TestADatabaseGoesWithItsTestAlsoWhenItIsInUse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		driver, gone string
		database     func(testing.TB) string
	}{
		{"pgx", "does not exist", Postgres},
		{"mysql", "Unknown database", MySQL},
	} {
		t.Run(c.driver, func(t *testing.T) {
			t.Parallel()
			var dsn string
			t.Run("test", func(test *testing.T) {
				dsn = c.database(test)
				require.NoError(test, open(t, c.driver, dsn).PingContext(t.Context())) // the connection outlives the test
			})
			assert.ErrorContains(t, open(t, c.driver, dsn).PingContext(t.Context()), c.gone)
		})
	}
}

func TestTheTestsOfAProcessShareOneThrowawayServer(t *testing.T) {
	t.Parallel()
	k := throwaway(t, postgres)
	var used []*process
	for range 2 {
		t.Run("test", func(t *testing.T) {
			k.database(t)
			used = append(used, k.own)
		})
	}
	require.NotNil(t, used[0])
	assert.Same(t, used[0], used[1])

	require.NoError(t, k.reset())
	assert.NoDirExists(t, used[0].folder.path)
	k.database(t)
	assert.NotSame(t, used[0], k.own)
}

func TestAVariableNamesTheServer(t *testing.T) {
	for _, k := range []*kind{postgres, mariadb} {
		t.Run(k.name, func(t *testing.T) {
			fresh := throwaway(t, k)
			fresh.env = k.env
			server := k.start(t)
			t.Setenv(k.env, server.DSN())
			dsn, own, err := fresh.shared()
			require.NoError(t, err)
			assert.Nil(t, own)
			assert.Equal(t, server.DSN(), dsn)
			write(t, open(t, k.driver, fresh.database(t)), 1)
		})
	}
}

func TestWithoutAServerATestIsSkippedUnlessOneIsRequired(t *testing.T) {
	k := &kind{name: "Database", remedy: "buy one", launch: func([]string) (*process, string, error) { return nil, "", errNotInstalled }}
	t.Setenv("WEBHOOK_TEST_REQUIRED", "")
	assert.Equal(t, "skipped: no Database: buy one", outcome(t, k))
	t.Setenv("WEBHOOK_TEST_REQUIRED", "1")
	assert.Equal(t, "failed: no Database, and WEBHOOK_TEST_REQUIRED is 1: buy one", outcome(t, k))
}

func TestAServerThatDoesNotStartFailsTheTestAndShowsWhy(t *testing.T) {
	k := &kind{name: "Database", launch: func([]string) (*process, string, error) {
		p, err := newProcess("Database", 0, 0, "nobody")
		if err != nil {
			return nil, "", err
		}
		p.args = []string{"sh", "-c", "echo no disk; exit 1"}
		p.ready = func(context.Context) error { return assert.AnError }
		return p, "", p.launch(func() error { return nil })
	}}
	assert.Regexp(t, `(?s)^failed: Database: Database did not start: it ended at once.*no disk`, outcome(t, k))
}

func TestTheOutputOfAServerIsShownOnlyIfItEndedByItself(t *testing.T) {
	p, err := newProcess("Database", syscall.SIGTERM, syscall.SIGKILL, "nobody")
	require.NoError(t, err)
	p.args = []string{"sh", "-c", "seq -f 'line %g' 100; exec sleep 600"}
	p.ready = func(context.Context) error {
		if !strings.Contains(p.tail(), "line 100") {
			return assert.AnError
		}
		return nil
	}
	require.NoError(t, p.launch(func() error { return nil }))
	t.Cleanup(func() { require.NoError(t, p.remove()) })
	assert.Empty(t, p.lastWords())
	t.Setenv("WEBHOOK_TEST_SERVER_LOG", "1")
	assert.Contains(t, p.lastWords(), "line 100")

	t.Setenv("WEBHOOK_TEST_SERVER_LOG", "")
	require.NoError(t, p.cmd.Process.Kill())
	<-p.exited
	words := p.lastWords()
	assert.Contains(t, words, "line 100")
	assert.Equal(t, 20, strings.Count(words, "line"))
}

// outcome returns the outcome of a test that wants a database of this kind.
func outcome(t *testing.T, k *kind) string {
	t.Helper()
	tb := &ending{TB: t}
	done := make(chan struct{})
	go func() { // Fatal and Skip end the goroutine
		defer close(done)
		k.database(tb)
	}()
	<-done
	return tb.how
}

// An ending notes how a test ends.
type ending struct {
	testing.TB
	how string
}

func (e *ending) Helper()        {}
func (e *ending) Cleanup(func()) {}
func (e *ending) Failed() bool   { return false }

func (e *ending) Fatalf(format string, args ...any) {
	e.how = "failed: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (e *ending) Skipf(format string, args ...any) {
	e.how = "skipped: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestADatabaseIsMadeByAServerThatDoesNotKnowTheStrategy(t *testing.T) {
	k := throwaway(t, postgres)
	k.create = "CREATE DATABASE %s TEMPLATE template0 STRATEGY unknown"
	require.NoError(t, open(t, k.driver, k.database(t)).PingContext(t.Context()))
	k.older = k.create
	_, err := k.add(k.dsn, newName())
	require.Error(t, err)
}
