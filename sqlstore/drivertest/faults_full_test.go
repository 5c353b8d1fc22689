package drivertest

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// diskFull has the errors of servers with a full disk.
var diskFull = map[string]error{
	"postgres": &pgconn.PgError{Code: "53100", Message: "could not extend file"},
	"mysql":    &mysqldriver.MySQLError{Number: 1114, Message: "The table 'webhook_events' is full"},
}

func TestAFullDiskIsAClearErrorAndNothingIsStored(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		full := diskFull[d.name]
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		for n, table := range []string{"webhook_events", "webhook_queue", "webhook_attempts", "COMMIT"} {
			for _, newID := range []bool{true, false} {
				req := s.variety(newID)
				sab.sabotage(func(step string) fault {
					if strings.Contains(step, table) {
						return fault{err: full}
					}
					return fault{}
				})
				_, err := store.Publish(t.Context(), req)
				require.ErrorIs(t, err, full, n)
				require.ErrorContains(t, err, "disk is full", n)
				sab.sabotage(nil)
				require.Empty(t, s.rows(), n)
				results, err := store.Publish(t.Context(), req)
				require.NoError(t, err, n)
				assert.Equal(t, published, results)
				empty(t, store.DB(), s.prefix)
			}
		}
	})
}

func TestAFullDiskLeavesWhatIsSettledAndClaimedAsItWas(t *testing.T) {
	onlyWithoutRaceDetector(t)
	writing := map[string][]string{ // a statement of each kind, and the table that it writes to
		"Settle": {"DELETE FROM queue", "INSERT INTO deliveries", "INSERT INTO attempts", "INSERT INTO bodies", "UPDATE status", "COMMIT"},
		"Claim":  {"INSERT INTO queue", "DELETE FROM outbox", "UPDATE queue", "COMMIT"},
	}
	eachServer(t, func(t *testing.T, d database) {
		full := diskFull[d.name]
		store, sab := d.sabotaged(t)
		for name, statements := range sorted(writing) {
			s := stage(t, store, 0)
			require.NoError(t, changes[name](s), name)
			after := s.rows()
			for n, statement := range statements {
				s = stage(t, store, n+1)
				before := s.rows()
				words := strings.Fields(statement)
				reached := false
				sab.sabotage(func(step string) fault {
					if step = shorten(step); strings.HasPrefix(step, words[0]) && strings.Contains(step, words[len(words)-1]) {
						reached = true
						return fault{err: full}
					}
					return fault{}
				})
				err := changes[name](s)
				sab.sabotage(nil)
				require.True(t, reached, "%s: no %s", name, statement)
				require.ErrorIs(t, err, full, "%s: %s", name, statement)
				require.ErrorContains(t, err, "disk is full", name)
				if statement != "UPDATE queue" { // the outbox has been emptied before, in another transaction
					assert.Equal(t, before, s.rows(), "%s: %s", name, statement)
				}
				assert.Equal(t, len(s.leased), countWhere(t, store.DB(), "webhook_queue WHERE leased_until > 0"), "%s: %s", name, statement)
				require.NoError(t, changes[name](s), "%s: repeating it is safe", statement)
				assert.Equal(t, after, s.rows(), "%s: %s", name, statement)
			}
		}
	})
}

func TestAFullSQLiteDiskLeavesWhatIsSettledAndClaimedAsItWas(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	store := sqlite.migrated(t)
	s := newScene(t, store)
	s.endpoint("acme", "ep1")
	pragma := func(text string) {
		_, err := store.DB().ExecContext(t.Context(), "PRAGMA "+text)
		require.NoError(t, err)
	}
	// full calls something while the file may not grow.
	full := func(call func() error) {
		t.Helper()
		before := s.rows()
		pragma("max_page_count = 1") // it cannot be less than there are
		require.ErrorContains(t, call(), "disk is full")
		pragma("max_page_count = 1000000")
		assert.Equal(t, before, s.rows())
	}
	events := make([]webhook.EventRecord, 300)
	for i := range events {
		events[i] = s.event("acme", fmt.Sprint(i))
		events[i].Deliveries = nil
	}
	_, err := store.Publish(t.Context(), s.request(events...))
	require.NoError(t, err)
	full(func() error { return changes["Claim"](s) })
	assert.Zero(t, countWhere(t, store.DB(), "webhook_queue"))
	leased := s.claim()
	require.Len(t, leased, len(events))
	items := make([]webhook.Settlement, len(leased))
	for i, l := range leased {
		items[i] = s.succeeded(l)
		items[i].Attempt.ResponseBody = []byte(strings.Repeat("x", 500))
	}
	full(func() error {
		_, err := store.Settle(t.Context(), s.now, items)
		return err
	})
	settled, err := store.Settle(t.Context(), s.now, items)
	require.NoError(t, err)
	assert.Empty(t, settled.Lost)
	assert.Empty(t, settled.Already)
}

func TestAFullSQLiteDiskIsAClearErrorAndNothingIsStored(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	store := sqlite.migrated(t)
	s := newScene(t, store)
	s.endpoint("acme", "ep1")
	pragma := func(text string) {
		_, err := store.DB().ExecContext(t.Context(), "PRAGMA "+text)
		require.NoError(t, err)
	}
	var pages int
	require.NoError(t, store.DB().QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))
	pragma(fmt.Sprintf("max_page_count = %d", pages+20))
	var err error
	for n := 0; ; n++ {
		require.Less(t, n, 100)
		req := s.variety(n%2 == 0)
		for i := range req.Events {
			req.Events[i].ID += fmt.Sprint(n)
			req.Events[i].Data = []byte(`"` + strings.Repeat("x", 5000) + `"`)
		}
		before := s.rows()
		if _, err = store.Publish(t.Context(), req); err == nil {
			continue
		}
		assert.Equal(t, before, s.rows())
		require.ErrorContains(t, err, "disk is full")
		pragma("max_page_count = 1000000")
		_, err = store.Publish(t.Context(), req)
		require.NoError(t, err)
		after := s.rows()
		assert.Equal(t, before["events"]+4, after["events"])
		assert.Equal(t, before["queue"]+2, after["queue"])
		return
	}
}

// writes are the methods that write to the tables, empty or not.
var writes = []string{"Publish", "Publish two", "Publish in a transaction", "CreateEndpoint", "DeleteEndpoint", "Erase"}

func TestAReadOnlyDatabaseIsAClearError(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		before := s.rows()
		switch d.dialect {
		case sqlstore.Postgres:
			d.suffix = "&default_transaction_read_only=on"
		case sqlstore.MySQL:
			d.suffix = "?tx_read_only=1"
		}
		s.store = d.store(t, dsn, sqlstore.Options{})
		if d.dialect == sqlstore.SQLite {
			_, err := s.store.DB().ExecContext(t.Context(), "PRAGMA query_only = ON")
			require.NoError(t, err)
		}
		for _, name := range writes {
			if d.dialect == sqlstore.SQLite && name == "Publish in a transaction" {
				continue // it does not begin
			}
			assert.ErrorContains(t, methods(s)[name](), "the database is read-only", name)
		}
		assert.NoError(t, s.store.Check(t.Context()))
		events, err := s.store.Events(t.Context(), webhook.Query{Tenant: "acme"})
		require.NoError(t, err)
		assert.Len(t, events.Items, 1)
		assert.Equal(t, before, s.rows())
	})
}

func TestAUserWithoutTheRightToWriteIsAClearError(t *testing.T) {
	eachServer(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		admin := d.open(t, dsn)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		s.endpoint("acme", "ep1")
		run := func(statements ...string) {
			for _, statement := range statements {
				_, err := admin.Exec(statement)
				require.NoError(t, err, statement)
			}
		}
		user := "webhook_reader_" + strings.ToLower(rand.Text())[:10]
		var db *sql.DB
		if d.dialect == sqlstore.MySQL {
			config, err := mysqldriver.ParseDSN(dsn)
			require.NoError(t, err)
			run("CREATE USER "+user+"@'%' IDENTIFIED BY 'reader'", "GRANT SELECT ON "+config.DBName+".* TO "+user+"@'%'")
			t.Cleanup(func() { run("DROP USER " + user + "@'%'") })
			config.User, config.Passwd = user, "reader"
			db = d.open(t, config.FormatDSN())
		} else {
			run("CREATE ROLE "+user, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+user)
			t.Cleanup(func() { run("DROP OWNED BY "+user, "DROP ROLE "+user) })
			db = d.open(t, dsn)
			db.SetMaxOpenConns(1)
			_, err := db.ExecContext(t.Context(), "SET ROLE "+user)
			require.NoError(t, err)
		}
		reader, err := sqlstore.New(db, d.dialect, sqlstore.Options{})
		require.NoError(t, err)
		s.store = reader
		require.NoError(t, reader.Check(t.Context()))
		for _, name := range writes {
			assert.ErrorContains(t, methods(s)[name](), "denied", name)
		}
	})
}

func TestAFileThatMayNotBeWrittenIsAClearError(t *testing.T) {
	onlyWithoutRaceDetector(t)
	if os.Geteuid() == 0 {
		t.Skip("root may write to any file")
	}
	dsn := sqlite.dsn(t)
	s := sqlite.store(t, dsn, sqlstore.Options{})
	require.NoError(t, s.Migrate(t.Context()))
	require.NoError(t, s.Close())
	require.NoError(t, os.Chmod(dsn, 0o444))
	s = sqlite.store(t, dsn, sqlstore.Options{})
	assert.ErrorContains(t, methods(newScene(t, s))["Publish"](), "read-only")
}
