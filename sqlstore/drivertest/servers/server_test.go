package servers

import (
	"context"
	"database/sql"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachServer runs a test with a server of each kind.
func eachServer(t *testing.T, test func(t *testing.T, s *Server, db *sql.DB)) {
	t.Helper()
	t.Parallel()
	for _, c := range []struct {
		name, driver string
		start        func(testing.TB) *Server
	}{
		{"Postgres", "pgx", StartPostgres},
		{"MariaDB", "mysql", StartMariaDB},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.start(t)
			test(t, s, open(t, c.driver, s.DSN()))
		})
	}
}

func TestAStoppedServerStartsAgainWithItsData(t *testing.T) {
	eachServer(t, func(t *testing.T, s *Server, db *sql.DB) {
		write(t, db, 1)
		s.Stop()
		require.Error(t, db.PingContext(t.Context()))
		s.Start()
		assert.Equal(t, []int{1}, read(t, db))
	})
}

func TestAKilledServerKeepsWhatWasCommittedAndNothingElse(t *testing.T) {
	eachServer(t, func(t *testing.T, s *Server, db *sql.DB) {
		write(t, db, 1)
		for n := 2; n < 5; n++ {
			insert(t, db, n)
			open, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = open.ExecContext(t.Context(), "DELETE FROM numbers")
			require.NoError(t, err)
			s.Kill()
			require.Error(t, open.Commit())
			require.Error(t, db.PingContext(t.Context()))
			s.Start()
		}
		assert.Equal(t, []int{1, 2, 3, 4}, read(t, db))
	})
}

func TestAServerGoesWithItsTestInWhateverState(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*Server){
		"running": func(*Server) {}, "stopped": (*Server).Stop, "killed": (*Server).Kill, "paused": (*Server).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, start := range []func(testing.TB) *Server{StartPostgres, StartMariaDB} {
				var s *Server
				if !t.Run("test", func(t *testing.T) {
					s = start(t)
					leave(s)
				}) {
					return
				}
				assert.NoDirExists(t, s.process.folder.path)
				assert.False(t, listening(t, s.process.port))
			}
		})
	}
}

func TestAPausedServerAnswersWhenItIsResumed(t *testing.T) {
	eachServer(t, func(t *testing.T, s *Server, db *sql.DB) {
		write(t, db, 1)
		s.Pause()
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, count(impatient, db), context.DeadlineExceeded)

		answered := make(chan error)
		go func() { answered <- count(t.Context(), db) }()
		select {
		case err := <-answered:
			t.Fatal("a paused server answers:", err)
		case <-time.After(100 * time.Millisecond):
		}
		s.Resume()
		assert.NoError(t, <-answered)
	})
}

func count(ctx context.Context, db *sql.DB) error {
	return db.QueryRowContext(ctx, "SELECT count(*) FROM numbers").Scan(new(int))
}

func TestAServerInTheWrongStateIsAnError(t *testing.T) {
	eachServer(t, func(t *testing.T, s *Server, _ *sql.DB) {
		p := s.process
		require.Error(t, p.start())
		require.Error(t, p.resume())
		s.Pause()
		require.Error(t, p.pause())
		s.Resume()
		s.Stop()
		for _, do := range []func() error{p.stop, p.kill, p.pause, p.resume} {
			require.Error(t, do())
		}
		s.Start()
	})
}

// beOrphaned makes the test binary start servers, tell about them, and wait to be killed.
const beOrphaned = "SERVERS_TEST_BE_ORPHANED"

type orphan struct{ Folder, Port string }

func abandonServers() {
	for _, k := range []*kind{postgres, mariadb} {
		server, _, err := k.launch(nil)
		if err != nil {
			panic(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(orphan{server.folder.path, server.port}); err != nil {
			panic(err)
		}
	}
	select {}
}

func TestServersEndWhenTheirProcessIsKilled(t *testing.T) {
	t.Parallel()
	StartPostgres(t) // skips the test if there are none
	StartMariaDB(t)

	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), beOrphaned+"=1")
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var orphans [2]orphan
	lines := json.NewDecoder(output)
	for i := range orphans {
		require.NoError(t, lines.Decode(&orphans[i]))
		assert.True(t, listening(t, orphans[i].Port))
	}

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for _, o := range orphans {
		assert.Eventually(t, func() bool {
			_, err := os.Stat(o.Folder)
			return os.IsNotExist(err) && !listening(t, o.Port)
		}, patience, 10*time.Millisecond)
	}
}

func listening(t *testing.T, port string) bool {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		require.NoError(t, conn.Close())
	}
	return err == nil
}
