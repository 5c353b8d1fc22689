package drivertest

import (
	"context"
	"database/sql"
	"strings"
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
			if !strings.Contains(t.Name(), "/concurrent/") {
				onlyWithoutRaceDetector(t)
			}
			empty(t, first.DB(), "webhook_")
			return d.again(t, first, dsn)
		})
	})
}

// A txStore begins transactions on the database of its Store.
type txStore struct{ *sqlstore.Store }

func (s txStore) Begin(ctx context.Context) (storetest.Tx, error) {
	tx, err := s.DB().BeginTx(ctx, nil)
	return storeTx{s.Tx(tx), tx}, err
}

type storeTx struct {
	webhook.Publisher
	*sql.Tx
}

// Each case has tables of its own: MariaDB locks more beside rows that were deleted a moment ago.
func TestEveryServerKeepsTheContractOfTransactions(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		storetest.RunTx(t, func(t *testing.T) storetest.TxStore { return txStore{d.migrated(t)} })
	})
}
