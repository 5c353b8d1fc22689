package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A Migration is one step of the schema, for a migration tool of your own. Up also records its
// Version in the table "schema" (with the prefix), which [Store.Check] reads. Down undoes both.
type Migration struct {
	Version int
	Name    string
	Up      string // statements, each ending with ";" at the end of a line; some tools want multiStatements=true for MySQL
	Down    string
}

var fileName = regexp.MustCompile(`^([a-z]+)_(\d+)_(\w+)\.(up|down)\.sql$`)

// Migrations returns the steps of a dialect's schema, in order.
//
// On PostgreSQL with Options.Schema, create that schema first.
func Migrations(dialect Dialect, o Options) ([]Migration, error) {
	if err := o.check(dialect.d); err != nil {
		return nil, err
	}
	entries, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	names := dialect.d.names(&o)
	steps := make(map[int]*Migration)
	for _, entry := range entries {
		parts := fileName.FindStringSubmatch(entry.Name())
		if len(parts) == 0 || parts[1] != dialect.d.Name {
			continue
		}
		text, err := migrationFiles.ReadFile(path.Join("migrations", entry.Name()))
		if err != nil {
			return nil, err
		}
		version, _ := strconv.Atoi(parts[2])
		step := steps[version]
		if step == nil {
			step = &Migration{Version: version, Name: parts[3]}
			steps[version] = step
		}
		if parts[4] == "up" {
			step.Up = names.Replace(string(text))
		} else {
			step.Down = names.Replace(string(text))
		}
	}
	list := make([]Migration, 0, len(steps))
	for _, step := range steps {
		list = append(list, *step)
	}
	slices.SortFunc(list, func(a, b Migration) int { return a.Version - b.Version })
	return list, nil
}

var statementEnd = regexp.MustCompile(`;[ \t]*(\n|$)`)

// split returns the statements of a migration.
func split(text string) []string {
	var list []string
	for _, one := range statementEnd.Split(text, -1) {
		if strings.TrimSpace(one) != "" {
			list = append(list, one)
		}
	}
	return list
}

// schemaWanted is the version of the schema that this code is written for.
const schemaWanted = 1

// migrateTimeout is how long Migrate waits while another process migrates.
const migrateTimeout = time.Minute

// unlockTimeout bounds the end of a migration.
const unlockTimeout = 5 * time.Second

// Migrate brings the schema up to date. It never goes back to an older version. Many processes
// may call it at once, when they start. One process migrates, and the others wait for it, at
// most a minute.
func (s *Store) Migrate(ctx context.Context) error {
	conn, giveBack, err := s.db.ConnectWriter(ctx)
	if err == nil {
		defer giveBack()
		err = s.otherServer(ctx, conn, s.migrate(ctx, conn))
	}
	return named("migrate", s.explain(ctx, err))
}

func (s *Store) migrate(ctx context.Context, conn *sql.Conn) (err error) {
	unlock, err := s.lockSchema(ctx, conn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock(err == nil)) }()
	if err := s.createSchema(ctx, conn); err != nil {
		return err
	}
	version, err := s.version(ctx, conn)
	if err != nil {
		return err
	}
	if version > schemaWanted {
		return s.judge(version)
	}
	steps, err := Migrations(Dialect{s.dialect}, s.options)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if step.Version <= version {
			continue
		}
		for _, one := range split(step.Up) {
			if _, err := conn.ExecContext(ctx, one); err != nil {
				return fmt.Errorf("version %d (%s): %w", step.Version, step.Name, err)
			}
		}
	}
	return nil
}

// createSchema creates PostgreSQL's schema if it does not exist. It asks first, because the
// right to use a schema does not include the right to create one.
func (s *Store) createSchema(ctx context.Context, conn *sql.Conn) error {
	if s.options.Schema == "" {
		return nil
	}
	name := `"` + s.options.Schema + `"`
	var there bool
	err := conn.QueryRowContext(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, name).Scan(&there)
	if err == nil && !there {
		_, err = conn.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+name)
	}
	return err
}

// lockSchema keeps other processes from migrating.
func (s *Store) lockSchema(ctx context.Context, conn *sql.Conn) (unlock func(commit bool) error, err error) {
	end, err := s.dialect.lockSchema(ctx, s.db, conn, "webhook:"+s.options.Schema)
	if err != nil {
		return nil, err
	}
	return func(commit bool) error { return end(ctx, commit) }, nil
}

// unlockInTransaction ends a lock that a transaction holds.
func unlockInTransaction(db *engine.DB, conn *sql.Conn) unlockSchema {
	return func(ctx context.Context, commit bool) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
		defer cancel()
		if !commit {
			db.Rollback(ctx, conn)
			return nil
		}
		_, err := conn.ExecContext(ctx, "COMMIT")
		if err != nil {
			db.Rollback(ctx, conn)
		}
		return err
	}
}

// Versions of an incomplete schema.
const (
	emptySchema = -1 // the table of versions has no row
	noSchema    = -2
)

// version returns the version of the schema.
func (s *Store) version(ctx context.Context, conn *sql.Conn) (int, error) {
	var there bool
	query, args := s.dialect.hasTable(s.options.Schema, s.options.Prefix+"schema")
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		there = true
	}
	if err := rows.Err(); err != nil || !there {
		return noSchema, err
	}
	_ = rows.Close()
	var version sql.NullInt64
	_, err = s.db.On(ctx, conn).Row(schemaVersion, nil, &version)
	if err == nil && !version.Valid {
		return emptySchema, nil
	}
	return int(version.Int64), err
}

// Check returns an error unless this code works with the schema. It accepts the schema's
// present version and the next one, so that a new release may migrate while instances of the
// old release still run.
func (s *Store) Check(ctx context.Context) error {
	conn, err := s.db.ConnectReader(ctx)
	if err != nil {
		return named("check", s.explain(ctx, err))
	}
	defer conn.Close()
	version, err := s.version(ctx, conn)
	if err == nil {
		err = s.judge(version)
	}
	return named("check", s.explain(ctx, s.otherServer(ctx, conn, err)))
}

// judge returns an error that says how to cure a schema with an unusable version.
func (s *Store) judge(version int) error {
	switch {
	case version == noSchema:
		return fmt.Errorf("there is no table %sschema: call Store.Migrate, or apply sqlstore.Migrations, and look at Options.Prefix and Schema",
			s.options.Prefix)
	case version == emptySchema:
		return fmt.Errorf("the table %sschema has no row, because a migration was interrupted: call Store.Migrate, and if that fails, "+
			"apply the Down of sqlstore.Migrations first", s.options.Prefix)
	case version < schemaWanted:
		return fmt.Errorf("the schema is behind: it has version %d, and this code needs %d: call Store.Migrate, or apply sqlstore.Migrations",
			version, schemaWanted)
	case version > schemaWanted+1:
		return fmt.Errorf("the schema has version %d, and this code knows %d: deploy a newer version of the library", version, schemaWanted)
	}
	return nil
}

// otherServer turns an error into one that names the server, if the server has another dialect.
func (s *Store) otherServer(ctx context.Context, conn *sql.Conn, err error) error {
	if err == nil || !engine.HasCode(err) {
		return err
	}
	for _, d := range dialects {
		var version string
		if conn.QueryRowContext(ctx, d.identity).Scan(&version) != nil || !d.is(version) {
			continue
		}
		if d == s.dialect {
			return err
		}
		return fmt.Errorf("the database is %s %s, and the Store was made with the dialect %s: give the other one to New: %w",
			d.Name, version, s.dialect.Name, err)
	}
	return err
}

// named adds the name of an operation that the application calls itself.
func named(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", operation, err)
}
