package servers

import (
	"context"
	"path/filepath"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

var mariadb = &kind{
	name:   "MariaDB",
	driver: "mysql",
	env:    "WEBHOOK_TEST_MYSQL",
	create: "CREATE DATABASE %s",
	drop:   "DROP DATABASE %s",
	within: func(dsn, database string) (string, error) {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			return "", err
		}
		config.DBName = database
		return config.FormatDSN(), nil
	},
	launch: launchMariaDB,
	quick: []string{
		"--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--innodb-doublewrite=0", "--max-connections=300",
	},
	remedy: "install it (Debian: apt-get install mariadb-server), or set WEBHOOK_TEST_MYSQL to the go-sql-driver DSN of a server",
}

var mariadbData template

func launchMariaDB(args []string) (server *process, dsn string, err error) {
	install, program := find("mariadb-install-db"), find("mariadbd", "/usr/sbin", "/usr/libexec")
	if install == "" || program == "" {
		return nil, "", errNotInstalled
	}
	p, err := newProcess("MariaDB", syscall.SIGTERM, syscall.SIGKILL, "mysql", "nobody")
	if err != nil {
		return nil, "", err
	}
	dsn = "root@tcp(127.0.0.1:" + p.port + ")/"
	p.args = []string{
		program, "--no-defaults", "--datadir=" + p.folder.data(), "--bind-address=127.0.0.1", "--port=" + p.port,
		"--socket=" + filepath.Join(p.folder.data(), "socket"), "--pid-file=" + filepath.Join(p.folder.data(), "pid"),
	}
	p.args = append(p.args, args...)
	p.ready = func(ctx context.Context) error { return owns(ctx, "mysql", dsn, "SELECT @@datadir", p.folder.data()) }
	return p, dsn, p.launch(func() error {
		return mariadbData.copyTo(p, func(data string) []string {
			return []string{install, "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db"}
		})
	})
}
