package servers

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPgBouncerGivesEachTransactionAnyConnection(t *testing.T) {
	t.Parallel()
	url := Postgres(t)
	through := StartPgBouncer(t, url) + "&default_query_exec_mode=simple_protocol"
	first, second := open(t, "pgx", through), open(t, "pgx", through)
	write(t, first, 1)
	assert.Equal(t, []int{1}, read(t, second))
	assert.Equal(t, []int{1}, read(t, open(t, "pgx", url)))

	// With both clients connected, one connection to the server does for both.
	assert.Equal(t, backend(t, first), backend(t, second))
	tx, err := first.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	assert.NotEqual(t, backend(t, tx), backend(t, second))
}

// backend returns the number of the server process that answers.
func backend(t *testing.T, db interface {
	QueryRow(query string, args ...any) *sql.Row
},
) (pid int) {
	t.Helper()
	require.NoError(t, db.QueryRow("SELECT pg_backend_pid()").Scan(&pid))
	return pid
}

func TestPgBouncerReachesADatabaseOfEveryServer(t *testing.T) {
	t.Parallel()
	s := StartPostgres(t)
	through := StartPgBouncer(t, s.DSN()) + "&default_query_exec_mode=simple_protocol"
	write(t, open(t, "pgx", through), 1)
	assert.Equal(t, []int{1}, read(t, open(t, "pgx", s.DSN())))
}
