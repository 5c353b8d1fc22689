package drivertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/servers"
	"github.com/gowebhook/webhook/storetest"
)

// TestLibPQKeepsTheContract runs the contract with the other driver of PostgreSQL.
func TestLibPQKeepsTheContract(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	d := database{name: "postgres", dialect: sqlstore.Postgres, dsn: servers.Postgres, driver: "postgres"}
	dsn := d.dsn(t)
	first := d.store(t, dsn, sqlstore.Options{})
	require.NoError(t, first.Migrate(t.Context()))
	storetest.Run(t, func(t *testing.T) webhook.Store {
		empty(t, first.DB(), "webhook_")
		return d.again(t, first, dsn)
	})
}
