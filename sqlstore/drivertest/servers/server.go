package servers

import "testing"

// A Server is a throwaway database server of one test. The test's own goroutine calls its
// methods, which end the test when they fail; DSN may be called from any.
type Server struct {
	tb      testing.TB
	dsn     string
	process *process
}

// StartPostgres starts a PostgreSQL with its default settings, so it syncs to disk. It is
// removed at the end of the test.
func StartPostgres(tb testing.TB) *Server {
	tb.Helper()
	return postgres.start(tb)
}

// StartMariaDB starts a MariaDB with its default settings, so it syncs to disk. It is removed
// at the end of the test.
func StartMariaDB(tb testing.TB) *Server {
	tb.Helper()
	return mariadb.start(tb)
}

// DSN returns how to connect to the server's one database for tests, which is empty at first.
// It stays the same.
func (s *Server) DSN() string { return s.dsn }

// Stop shuts the server down without waiting for its clients, and returns when it is gone.
func (s *Server) Stop() {
	s.tb.Helper()
	s.must(s.process.stop())
}

// Kill ends all processes of the server at once, as a crash does.
func (s *Server) Kill() {
	s.tb.Helper()
	s.must(s.process.kill())
}

// Start starts a server again that was stopped or killed, on the same data and port, and
// returns when it answers.
func (s *Server) Start() {
	s.tb.Helper()
	s.must(s.process.start())
}

// Pause makes the server hang until Resume: connections stay open, and nothing is answered.
func (s *Server) Pause() {
	s.tb.Helper()
	s.must(s.process.pause())
}

// Resume lets a paused server go on where it was.
func (s *Server) Resume() {
	s.tb.Helper()
	s.must(s.process.resume())
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}
