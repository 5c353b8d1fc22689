package drivertest

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore"
)

// tablesIn lists the tables whose names begin with a prefix.
func tablesIn(tb testing.TB, d database, db *sql.DB, prefix string) []string {
	tb.Helper()
	query := "SELECT table_name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
	switch d.dialect {
	case sqlstore.MySQL:
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	case sqlstore.SQLite:
		query = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	rows, err := db.QueryContext(tb.Context(), query)
	require.NoError(tb, err)
	defer rows.Close()
	var list []string
	for rows.Next() {
		var name string
		require.NoError(tb, rows.Scan(&name))
		if strings.HasPrefix(name, prefix) {
			list = append(list, name)
		}
	}
	require.NoError(tb, rows.Err())
	return list
}

// allTables is how many tables there are: those with rows in use, schema and locks.
var allTables = len(tables) + 2

// works sends an event through a store.
func works(tb testing.TB, s *sqlstore.Store, prefix string) {
	tb.Helper()
	c := newScene(tb, s)
	c.prefix = prefix
	c.endpoint("acme", "ep1")
	c.publish(c.event("acme", "evt1", "ep1"))
	require.Len(tb, c.deliver(), 1)
	require.Equal(tb, map[string]int{
		"attempts": 1, "bodies": 1, "deliveries": 1, "endpoints": 1, "events": 1, "status": 1, "subscriptions": 1, "tenants": 1,
	}, c.rows())
}

func TestMigrateTwiceIsMigrateOnce(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := d.store(t, d.dsn(t), sqlstore.Options{})
		for range 2 {
			require.NoError(t, s.Migrate(t.Context()))
			require.NoError(t, s.Check(t.Context()))
			assert.Len(t, tablesIn(t, d, s.DB(), "webhook_"), allTables)
			assert.Equal(t, 1, countWhere(t, s.DB(), "webhook_schema"))
			assert.Equal(t, 2, countWhere(t, s.DB(), "webhook_locks"))
		}
		works(t, s, "webhook_")
	})
}

func TestTenProcessesMayMigrateAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		stores := make([]*sqlstore.Store, 10)
		for i := range stores {
			stores[i] = d.store(t, dsn, sqlstore.Options{})
		}
		errs := make([]error, len(stores))
		begin := make(chan struct{})
		var all sync.WaitGroup
		for i, s := range stores {
			all.Go(func() {
				<-begin
				errs[i] = s.Migrate(t.Context())
			})
		}
		close(begin)
		all.Wait()
		for i, err := range errs {
			assert.NoError(t, err, i)
		}
		assert.Len(t, tablesIn(t, d, stores[0].DB(), "webhook_"), allTables)
		assert.Equal(t, 1, countWhere(t, stores[0].DB(), "webhook_schema"))
		works(t, stores[9], "webhook_")
	})
}

func TestTwoPrefixesInOneDatabaseAreTwoStores(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		a, b := d.store(t, dsn, sqlstore.Options{Prefix: "a_"}), d.store(t, dsn, sqlstore.Options{Prefix: "b_"})
		require.NoError(t, a.Migrate(t.Context()))
		require.ErrorContains(t, b.Check(t.Context()), "Store.Migrate")
		require.NoError(t, b.Migrate(t.Context()))
		for prefix, s := range map[string]*sqlstore.Store{"a_": a, "b_": b} {
			require.Len(t, tablesIn(t, d, s.DB(), prefix), allTables)
			works(t, s, prefix)
		}
		require.NoError(t, a.Erase(t.Context(), "acme"))
		assert.Empty(t, countRows(t, a.DB(), "a_"))
		assert.Len(t, countRows(t, b.DB(), "b_"), 8)
	})
}

func TestALongPrefixIsUsable(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		prefix := strings.Repeat("p", 30)
		s := d.store(t, d.dsn(t), sqlstore.Options{Prefix: prefix})
		require.NoError(t, s.Migrate(t.Context()))
		works(t, s, prefix)
	})
}

func TestMigrateMakesThePostgresSchema(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	dsn := postgres.dsn(t)
	a := postgres.store(t, dsn, sqlstore.Options{Schema: "hooks", Prefix: "w_"})
	b := postgres.store(t, dsn, sqlstore.Options{Schema: strings.Repeat("s", 63), Prefix: "w_"})
	require.NoError(t, a.Migrate(t.Context()))
	require.Error(t, b.Check(t.Context()))
	require.NoError(t, b.Migrate(t.Context()))
	works(t, a, "hooks.w_")
	works(t, b, strings.Repeat("s", 63)+".w_")
}

// A user that may not make schemas has been given one.
func TestMigrateUsesAPostgresSchemaThatIsThere(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	dsn := postgres.dsn(t)
	admin := postgres.open(t, dsn)
	admin.SetMaxOpenConns(1)
	user := "webhook_user_" + strings.ToLower(rand.Text())
	for _, statement := range []string{
		"CREATE ROLE " + user, "CREATE SCHEMA hooks AUTHORIZATION " + user, "SET ROLE " + user,
	} {
		_, err := admin.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		for _, statement := range []string{"RESET ROLE", "DROP SCHEMA hooks CASCADE", "DROP ROLE " + user} {
			_, err := admin.Exec(statement)
			assert.NoError(t, err)
		}
	})
	s, err := sqlstore.New(admin, sqlstore.Postgres, sqlstore.Options{Schema: "hooks"})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	works(t, s, "hooks.webhook_")
}

// The lock alone is not enough: the changes of the others must be visible after the wait.
func TestPostgresMigratesWhateverTheDefaultIsolationIs(t *testing.T) {
	t.Parallel()
	dsn := postgres.dsn(t)
	d := postgres
	d.suffix = "&default_transaction_isolation=serializable"
	var all sync.WaitGroup
	errs := make([]error, 5)
	for i := range errs {
		s := d.store(t, dsn, sqlstore.Options{})
		all.Go(func() { errs[i] = s.Migrate(t.Context()) })
	}
	all.Wait()
	for i, err := range errs {
		assert.NoError(t, err, i)
	}
}

// apply runs a migration as another tool would.
func apply(tb testing.TB, db *sql.DB, text string) {
	tb.Helper()
	for statement := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		_, err := db.ExecContext(tb.Context(), statement)
		require.NoError(tb, err, statement)
	}
}

func TestAnotherToolMayApplyTheMigrations(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		options := []sqlstore.Options{{}, {Prefix: "hook_"}}
		if d.dialect == sqlstore.Postgres {
			options = append(options, sqlstore.Options{Schema: "hooks"})
		}
		for i, o := range options {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				s := d.store(t, d.dsn(t), o)
				list, err := sqlstore.Migrations(d.dialect, o)
				require.NoError(t, err)
				require.NotEmpty(t, list)
				if o.Schema != "" {
					apply(t, s.DB(), "CREATE SCHEMA "+o.Schema)
				}
				before := tablesIn(t, d, s.DB(), "")
				for range 2 {
					for n, m := range list {
						assert.Equal(t, n+1, m.Version)
						assert.NotEmpty(t, m.Name)
						assert.NotContains(t, m.Up+m.Down, "{")
						apply(t, s.DB(), m.Up)
					}
					require.NoError(t, s.Check(t.Context()))
					require.NoError(t, s.Migrate(t.Context()), "there is nothing to do")
					prefix := o.Prefix
					if prefix == "" {
						prefix = "webhook_"
					}
					if o.Schema != "" {
						prefix = o.Schema + "." + prefix
					}
					works(t, s, prefix)
					for n := range list {
						apply(t, s.DB(), list[len(list)-1-n].Down)
					}
					assert.Equal(t, before, tablesIn(t, d, s.DB(), ""), "Down leaves nothing behind")
					require.ErrorContains(t, s.Check(t.Context()), "Store.Migrate")
				}
			})
		}
	})
}

func TestCheckSaysWhatToDo(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := d.store(t, d.dsn(t), sqlstore.Options{})
		err := s.Check(t.Context())
		require.ErrorContains(t, err, "there is no table webhook_schema")
		require.ErrorContains(t, err, "Store.Migrate")
		require.NoError(t, s.Migrate(t.Context()))

		set := func(statement string) {
			_, err := s.DB().ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		set("UPDATE webhook_schema SET version = 2")
		assert.NoError(t, s.Check(t.Context()), "a newer version migrates while this one runs")
		assert.NoError(t, s.Migrate(t.Context()))
		set("UPDATE webhook_schema SET version = 3")
		err = s.Check(t.Context())
		assert.ErrorContains(t, err, "version 3")
		assert.ErrorContains(t, err, "deploy a newer version of the library")
		set("UPDATE webhook_schema SET version = 0")
		err = s.Check(t.Context())
		require.ErrorContains(t, err, "is behind")
		assert.ErrorContains(t, err, "call Store.Migrate")
		assert.NotContains(t, err.Error(), "there is no table", "there is one, of an older version")
		set("DELETE FROM webhook_schema")
		err = s.Check(t.Context())
		assert.Error(t, err)
		assert.NotContains(t, err.Error(), "there is no table", "there is one, and it is empty")
	})
}

// A migration by an application of a later version has been taken back half: Migrate must not
// make it worse.
func TestMigrateRefusesASchemaThatIsTooNew(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := d.migrated(t)
		_, err := s.DB().ExecContext(t.Context(), "UPDATE webhook_schema SET version = 3")
		require.NoError(t, err)
		assert.Error(t, s.Migrate(t.Context()), "Check would refuse it too")
	})
}

// On MySQL a migration is not one transaction.
func TestMigrateGoesOnWhereItWasInterrupted(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		list, err := sqlstore.Migrations(d.dialect, sqlstore.Options{})
		require.NoError(t, err)
		s, sab := d.sabotagedEmpty(t)
		sab.sabotage(failing("CREATE TABLE", fault{}, fault{}, fault{}, fault{err: errStopped}))
		require.ErrorIs(t, s.Migrate(t.Context()), errStopped)
		sab.sabotage(nil)
		if err := s.Migrate(t.Context()); err != nil {
			require.ErrorContains(t, err, "Down", "it names the cure")
			apply(t, s.DB(), list[0].Down)
			require.NoError(t, s.Migrate(t.Context()))
		}
		works(t, s, "webhook_")
	})
}

func TestAWrongDialectIsAClearError(t *testing.T) {
	onlyWithoutRaceDetector(t)
	for _, wrong := range []struct {
		on      database
		dialect sqlstore.Dialect
	}{
		{postgres, sqlstore.MySQL},
		{postgres, sqlstore.SQLite},
		{mysql, sqlstore.Postgres},
		{mysql, sqlstore.SQLite},
		{sqlite, sqlstore.Postgres},
		{sqlite, sqlstore.MySQL},
	} {
		t.Run(wrong.dialect.String()+" on "+wrong.on.name, func(t *testing.T) {
			db := wrong.on.open(t, wrong.on.dsn(t))
			s, err := sqlstore.New(db, wrong.dialect, sqlstore.Options{})
			require.NoError(t, err, "New does not touch the database")
			for name, err := range map[string]error{"Check": s.Check(t.Context()), "Migrate": s.Migrate(t.Context())} {
				assert.ErrorContains(t, err, "dialect", name)
			}
			assert.Zero(t, db.Stats().InUse)
			assert.Empty(t, tablesIn(t, wrong.on, db, "webhook_"))
		})
	}
}
