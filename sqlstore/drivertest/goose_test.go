package drivertest

import (
	"slices"
	"sync"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore"
)

// Replicas start at once, and each applies the migrations first. goose needs a lock for that.
// On PostgreSQL it is a lock of the session, so a pooler must not be in between.
func TestReplicasThatStartAtOnceMayMigrateWithGoose(t *testing.T) {
	t.Parallel()
	dsn := postgres.dsn(t)
	files, err := gooseFiles(sqlstore.Postgres, 0)
	require.NoError(t, err)

	const replicas = 4
	applied, errs := make([]int, replicas), make([]error, replicas)
	stores := make([]*sqlstore.Store, replicas)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range replicas {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120)) // it tries every second, for two minutes
		require.NoError(t, err)
		stores[i] = postgres.store(t, dsn, sqlstore.Options{})
		provider, err := goose.NewProvider(goose.DialectPostgres, stores[i].DB(), files,
			goose.WithTableName("webhook_goose"), goose.WithSessionLocker(locker))
		require.NoError(t, err)
		require.NoError(t, stores[i].DB().PingContext(t.Context()), "connect before the others begin")
		all.Go(func() {
			<-begin
			results, err := provider.Up(t.Context())
			applied[i], errs[i] = len(results), err
		})
	}
	close(begin)
	all.Wait()
	for i := range replicas {
		assert.NoError(t, errs[i])
		assert.NoError(t, stores[i].Check(t.Context()))
	}
	slices.Sort(applied)
	assert.Equal(t, []int{0, 0, 0, 1}, applied, "one replica migrates, the others find nothing to do")
	works(t, stores[0], "webhook_")
}
