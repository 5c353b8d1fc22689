package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A sqlServer is a PostgreSQL or a MariaDB in a process.
type sqlServer struct {
	sqlDialect
	*process
	admin *sql.DB
	made  int // databases
}

func (s *sqlServer) dsn(database string) string {
	return s.prefix + s.port + s.suffix + database + s.options
}

func (s *sqlServer) create(ctx context.Context, peer string, d *dataset, at addresses) (dsn string, err error) {
	s.made++
	name := fmt.Sprintf("bench%d", s.made)
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	dsn = s.dsn(name)
	if peer == peerRiver {
		err = d.fillRiver(ctx, dsn)
	} else {
		err = d.fillStore(ctx, s.store, dsn, at)
	}
	if err != nil {
		return "", err
	}
	db, err := sql.Open(s.driver, dsn)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var analyze string
	if err = db.QueryRowContext(ctx, s.analyze).Scan(&analyze); err == nil {
		_, err = db.ExecContext(ctx, analyze)
	}
	return dsn, err
}

func (s *sqlServer) drop(ctx context.Context, dsn string) error {
	name := strings.TrimSuffix(dsn[strings.LastIndexByte(dsn, '/')+1:], s.options)
	_, err := s.admin.ExecContext(ctx, "DROP DATABASE "+name)
	return err
}

func (s *sqlServer) checkpoint(ctx context.Context) error {
	_, err := s.admin.ExecContext(ctx, s.flush)
	return err
}

func (s *sqlServer) counters(ctx context.Context) (c counters, err error) {
	if c.cpu, err = familyCPU(s.pid); err != nil {
		return c, err
	}
	for query, value := range map[string]*int64{s.wal: &c.wal, s.syncs: &c.syncs, s.statements: &c.statements} {
		if err := s.admin.QueryRowContext(ctx, query).Scan(value); err != nil {
			return c, fmt.Errorf("%s: %w", query, err)
		}
	}
	return c, nil
}

func (s *sqlServer) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for sessions := 1; sessions > 0; time.Sleep(time.Millisecond) {
		if err := s.admin.QueryRowContext(ctx, s.sessions).Scan(&sessions); err != nil {
			return fmt.Errorf("wait for %d sessions to end: %w", sessions, err)
		}
	}
	return nil
}

func (s *sqlServer) stop() error {
	return errors.Join(s.admin.Close(), s.process.stop())
}
