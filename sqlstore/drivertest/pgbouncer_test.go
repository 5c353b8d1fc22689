package drivertest

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/servers"
	"github.com/gowebhook/webhook/storetest"
)

const simpleProtocol = "&default_query_exec_mode=simple_protocol"

func TestSoakTheContractHoldsThroughPQ(t *testing.T) {
	soak(t)
	keepsTheContract(t, "postgres", servers.Postgres(t))
}

// In transaction mode each transaction may be another session's: a setting or a lock of a
// session would be lost or left behind.
func TestTheContractHoldsThroughPgBouncer(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	keepsTheContract(t, "pgx", servers.StartPgBouncer(t, servers.Postgres(t))+simpleProtocol)
}

func keepsTheContract(t *testing.T, driver, dsn string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	s, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	storetest.Run(t, func(t *testing.T) webhook.Store {
		empty(t, db, "webhook_")
		s, err := sqlstore.New(db, sqlstore.Postgres, sqlstore.Options{})
		require.NoError(t, err)
		return s
	})
}
