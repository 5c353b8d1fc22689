package drivertest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/webhooktest"
)

const (
	soon  = 50 * time.Millisecond // a PollInterval that finds things by itself
	never = time.Minute           // the longest; a test ends before
	long  = 40 * time.Second      // that something may take on a slow machine
)

// A host is an application with a table of its own beside the webhooks.
type host struct {
	database
	url   string
	store *sqlstore.Store
	db    *sql.DB // its own pool
}

func newHost(t *testing.T, d database) *host {
	t.Helper()
	h := &host{database: d, url: d.dsn(t)}
	h.store = d.store(t, h.url, sqlstore.Options{})
	require.NoError(t, h.store.Migrate(t.Context()))
	h.db = h.store.DB()
	h.exec(t, h.db, "CREATE TABLE orders (id VARCHAR(64) PRIMARY KEY)")
	return h
}

func (h *host) exec(t *testing.T, on sqlstore.Execer, query string) {
	t.Helper()
	_, err := on.ExecContext(t.Context(), query)
	require.NoError(t, err)
}

// order places an order through a transaction, and returns its id.
func (h *host) order(t *testing.T, on sqlstore.Execer) string {
	t.Helper()
	id := rand.Text()
	h.exec(t, on, "INSERT INTO orders (id) VALUES ('"+id+"')")
	return id
}

func (h *host) count(t *testing.T, query string) (n int) {
	t.Helper()
	assert.NoError(t, h.db.QueryRowContext(t.Context(), query).Scan(&n)) // in any goroutine
	return n
}

// ordered reports whether an order is there, for everybody.
func (h *host) ordered(t *testing.T, id string) bool {
	t.Helper()
	return h.count(t, "SELECT count(*) FROM orders WHERE id = '"+id+"'") == 1
}

// dispatcher returns one that runs only when run is called, as in a process that serves an API.
func (h *host) dispatcher(t *testing.T, store *sqlstore.Store, poll time.Duration) *webhook.Dispatcher {
	t.Helper()
	config := webhooktest.Config()
	config.PollInterval = poll
	config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	d, err := webhook.New(store, config)
	require.NoError(t, err)
	return d
}

// worker returns a dispatcher that runs until the end of the test.
func (h *host) worker(t *testing.T, poll time.Duration) *webhook.Dispatcher {
	t.Helper()
	d := h.dispatcher(t, h.store, poll)
	run(t, d)
	return d
}

func run(t *testing.T, d *webhook.Dispatcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // it ends before the databases are closed
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-stopped)
	})
}

// A customer is a tenant with an endpoint that receives everything.
type customer struct {
	*webhooktest.Receiver
	t        *testing.T
	d        *webhook.Dispatcher
	tenant   string
	endpoint webhook.Endpoint
}

// newCustomer returns a customer which is the test's own.
func newCustomer(t *testing.T, d *webhook.Dispatcher) *customer {
	t.Helper()
	c := &customer{Receiver: webhooktest.NewReceiver(), t: t, d: d, tenant: rand.Text()}
	t.Cleanup(c.Close)
	var err error
	c.endpoint, err = d.Tenant(c.tenant).CreateEndpoint(t.Context(), webhook.Endpoint{URL: c.URL, Secret: c.Secret, Events: []string{"*"}})
	require.NoError(t, err)
	return c
}

// event returns an event of the customer; without an id it is a new one.
func (c *customer) event(id, order string) webhook.Event {
	return webhook.Event{Tenant: c.tenant, Type: "order.placed", ID: id, Data: map[string]string{"order": order}}
}

// got waits for n requests and returns the orders they are about.
func (c *customer) got(n int) (orders []string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), long)
	defer cancel()
	received, err := c.Wait(ctx, n)
	require.NoError(c.t, err)
	for _, r := range received {
		require.NoError(c.t, r.Err)
		orders = append(orders, orderOf(c.t, r.Body))
	}
	return orders
}

func orderOf(t *testing.T, body []byte) string {
	t.Helper()
	var e struct{ Data struct{ Order string } }
	assert.NoError(t, json.Unmarshal(body, &e))
	return e.Data.Order
}

// stored returns the ids of the customer's events.
func (c *customer) stored() (ids []string) {
	c.t.Helper()
	page, err := c.d.Tenant(c.tenant).Events(c.t.Context(), webhook.Query{})
	require.NoError(c.t, err)
	for _, e := range page.Items {
		ids = append(ids, e.ID)
	}
	return ids
}
