// Package recorder shows a test the statements that a program sends to its database.
package recorder

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync/atomic"
)

// A Statement is about to be run.
type Statement struct {
	Query string
	Args  []driver.NamedValue

	conn driver.Conn
}

// A Watch is called before each statement, on the goroutine that runs it. Several may run at
// once.
type Watch func(ctx context.Context, s Statement)

var registered atomic.Int64

// Register registers a driver that passes everything on to another one, which is registered
// already, and returns its name.
func Register(driverName string, watch Watch) (string, error) {
	known, err := sql.Open(driverName, "")
	if err != nil {
		return "", err
	}
	inner := known.Driver()
	if err := known.Close(); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-recorded-%d", driverName, registered.Add(1))
	sql.Register(name, &recordedDriver{inner: inner, watch: watch})
	return name, nil
}

type recordedDriver struct {
	inner driver.Driver
	watch Watch
}

func (d *recordedDriver) Open(name string) (driver.Conn, error) {
	c, err := d.inner.Open(name)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, watch: d.watch}, nil
}

// OpenConnector implements [driver.DriverContext].
func (d *recordedDriver) OpenConnector(name string) (driver.Connector, error) {
	c := &connector{driver: d, name: name}
	if inner, ok := d.inner.(driver.DriverContext); ok && name != "" {
		var err error
		if c.inner, err = inner.OpenConnector(name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

type connector struct {
	driver *recordedDriver
	name   string
	inner  driver.Connector // nil if the driver has none
}

func (c *connector) Driver() driver.Driver { return c.driver }

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.inner == nil {
		return c.driver.Open(c.name)
	}
	inner, err := c.inner.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: inner, watch: c.driver.watch}, nil
}
