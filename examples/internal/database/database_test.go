package database

import (
	"path/filepath"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestAMySQLURLBecomesTheDriversDSN(t *testing.T) {
	type parts struct{ user, password, address, database string }
	for url, want := range map[string]parts{
		"mysql://root@localhost/hooks":                 {"root", "", "localhost:3306", "hooks"},
		"mysql://ann:secret@db.example:3307/hooks":     {"ann", "secret", "db.example:3307", "hooks"},
		"mysql://ann:p%40ss%2F%3A%3F@db.example/hooks": {"ann", "p@ss/:?", "db.example:3306", "hooks"},
		"mysql://ann@[::1]/hooks":                      {"ann", "", "[::1]:3306", "hooks"},
		"mysql://localhost/hooks":                      {"", "", "localhost:3306", "hooks"},
	} {
		dsn, err := mysqlDSN(url)
		require.NoError(t, err, url)
		c, err := mysqldriver.ParseDSN(dsn)
		require.NoError(t, err, url)
		assert.Equal(t, want, parts{c.User, c.Passwd, c.Addr, c.DBName}, url)
		assert.Equal(t, "tcp", c.Net, url)
	}
}

func TestOptionsOfAMySQLURLReachTheDriver(t *testing.T) {
	dsn, err := mysqlDSN("mysql://root@localhost/hooks?interpolateParams=true&timeout=3s")
	require.NoError(t, err)
	c, err := mysqldriver.ParseDSN(dsn)
	require.NoError(t, err)
	assert.True(t, c.InterpolateParams)
	assert.Equal(t, "3s", c.Timeout.String())
}

func TestAnUnusableNameSaysWhatToDo(t *testing.T) {
	for name, cure := range map[string]string{
		"redis://localhost":                      "use a file name, postgres://…, mysql://… or memory",
		"mysql://root:secret@localhost":          "name a database: mysql://user:password@host/database",
		"mysql://root:secret@localhost/":         "name a database: mysql://user:password@host/database",
		"mysql:///hooks":                         "name a host: mysql://user:password@host/database",
		"mysql://root:secret@localhost:x/hooks":  "use mysql://user:password@host/database",
		"mysql://root:se%zzcret@localhost/hooks": "use mysql://user:password@host/database",
		"postgres://ann:secret@localhost:x/d":    "use postgres://user:password@host/database",
		"postgres://ann:se%zzcret@localhost/d":   "use postgres://user:password@host/database",
		"postgres://ann:secret@h/d?sslmode=none": "use postgres://user:password@host/database",
	} {
		_, _, err := Open(t.Context(), name)
		require.ErrorContains(t, err, cure, name)
		assert.NotContains(t, err.Error(), "cret", "a password")
	}
}

func TestAFileAndMemoryNeedNothing(t *testing.T) {
	for _, name := range []string{"memory", filepath.Join(t.TempDir(), "hooks.db")} {
		store, closeStore, err := Open(t.Context(), name)
		require.NoError(t, err, name)
		_, err = store.Events(t.Context(), webhook.Query{AllTenants: true})
		assert.NoError(t, err, name)
		closeStore()
	}
}
