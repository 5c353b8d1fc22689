package drivertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/storetest"
)

func TestEveryDialectKeepsTheContract(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		t.Parallel()
		dsn := d.dsn(t)
		require.NoError(t, d.store(t, dsn, sqlstore.Options{}).Migrate(t.Context()))
		storetest.Run(t, func(t *testing.T) webhook.Store {
			s := d.store(t, dsn, sqlstore.Options{})
			empty(t, s.DB(), "webhook_")
			return s
		})
	})
}
