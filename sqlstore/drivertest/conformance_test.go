package drivertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/storetest"
)

func TestEveryDialectKeepsTheContract(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		first := d.store(t, dsn, sqlstore.Options{})
		require.NoError(t, first.Migrate(t.Context()))
		storetest.Run(t, func(t *testing.T) webhook.Store {
			empty(t, first.DB(), "webhook_")
			return d.again(t, first, dsn)
		})
	})
}
