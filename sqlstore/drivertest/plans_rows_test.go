package drivertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// The rows that a page may read: the rows of its list, and the rows that one statement reads
// ahead.
const (
	pageRows  = 1_000
	pageAhead = 250
)

// There is more of everything than a page may read.
const (
	rowsEvents    = 3_000 // of tenant_0, each with a delivery that has finished and one that has not, of ep_0 and ep_1 by turns
	rowsEndpoints = 1_600 // four of a tenant
	rowsFanouts   = 30    // of tenant_1, each with as many deliveries that have finished as others
	rowsFanout    = 500   // of these
)

// A rowCounter counts the rows that a store reads.
type rowCounter struct {
	mu   sync.Mutex
	rows int
	errs []error
}

func (c *rowCounter) watch(ctx context.Context, s recorder.Statement) {
	if !strings.Contains(s.Query, "webhook_") {
		return
	}
	rows, err := s.Ask(ctx, s.Query, s.Args)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows += len(rows)
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

// take returns the rows since the last call.
func (c *rowCounter) take(t *testing.T) int {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.errs {
		require.NoError(t, err)
	}
	n := c.rows
	c.rows = 0
	return n
}

// manyRows fills a database, and returns a store that counts the rows it reads.
func manyRows(t *testing.T, d database, now time.Time) (*sqlstore.Store, *rowCounter) {
	t.Helper()
	counter := &rowCounter{}
	dsn := d.dsn(t)
	plain := d.store(t, dsn, sqlstore.Options{})
	require.NoError(t, plain.Migrate(t.Context()))
	f := d.fill(t, plain.DB(), now)
	f.endpoints(rowsEndpoints/4, 4)
	ms := func(n string) string { return fmt.Sprintf("%d + %s", now.Add(-time.Hour).UnixMilli(), n) }
	ended, queued, log := "deliveries "+soakEnded, "queue "+soakQueue, "attempts "+soakLog
	insert := func(into string, count int, endpoint, uid, id string) {
		f.insert(count, into, fmt.Sprintf(map[string]string{
			ended:  "%s, %s, e.ref, 1, 'succeeded', '', 1, 1, 1, 0, 0, %d",
			queued: "%s, %s, e.ref, e.ref, %d, 0, 0, 0, 1, 0, 0, 0, 0, 11, 1, ''",
			log:    "%s, %s, 1, e.ref, %d, 5000, 500, 'http_status', '', 0, 0, 0, 0, 1",
		}[into], uid, id, now.UnixMicro()), "JOIN filled e ON e.n = "+endpoint+" WHERE")
	}
	f.events(rowsEvents, 1, ms("k.n"), "k.n", "0")
	uid := f.uid(ms("k.n"), "k.n")
	insert(ended, rowsEvents, "k.n % 2", uid, "e.id")
	insert(log, rowsEvents, "k.n % 2", uid, "e.id")
	insert(queued, rowsEvents, "1 - k.n % 2", uid, "e.id")

	f.events(rowsFanouts, 1, ms("10000 + k.n"), "10000 + k.n", "1")
	n, id := fmt.Sprintf("10000 + k.n %% %d", rowsFanouts), f.concat("'ep_'", "k.n")
	uid = f.uid(ms(n), n)
	insert(ended, rowsFanouts*rowsFanout, "4", uid, id)
	insert(queued, rowsFanouts*rowsFanout, "5", uid, f.concat(id, "'_'"))
	insert(log, rowsEvents, "4", f.uid(ms("10000"), "10000"), id)

	var err error
	d.driver, err = recorder.Register(d.driver, counter.watch)
	require.NoError(t, err)
	return d.store(t, dsn, sqlstore.Options{}), counter
}

func TestPagesOfManyRows(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		now := time.Now().Truncate(time.Microsecond).UTC()
		s, counter := manyRows(t, d, now)
		t.Run("a page reads a thousand rows with any filter", func(t *testing.T) { readLittle(t, s, counter, now) })
		t.Run("a short page of fan-outs does not read all of each", func(t *testing.T) {
			q := webhook.Query{Tenant: "tenant_1", Limit: 1}
			for range 30 {
				page, err := s.Deliveries(t.Context(), q, now)
				require.NoError(t, err)
				require.Len(t, page.Items, 1)
				assert.LessOrEqual(t, counter.take(t), pageAhead+2)
				q.Cursor = page.Next
			}
		})
		t.Run("each delivery is on one page, in its order", func(t *testing.T) {
			for _, limit := range []int{70, 1000} {
				inOrderOnce(t, s, webhook.Query{Tenant: "tenant_0", EndpointID: "ep_1", Limit: limit}, rowsEvents)
				inOrderOnce(t, s, webhook.Query{Tenant: "tenant_1", EventID: "evt_10001", Limit: limit}, 2*rowsFanout)
			}
			inOrderOnce(t, s, webhook.Query{AllTenants: true, Limit: 1000}, 2*rowsEvents+2*rowsFanouts*rowsFanout)
		})
	})
}

// inOrderOnce reads all deliveries of a query.
func inOrderOnce(t *testing.T, s *sqlstore.Store, q webhook.Query, want int) {
	t.Helper()
	var all []webhook.Delivery
	for next := true; next; next = q.Cursor != "" {
		page, err := s.Deliveries(t.Context(), q, time.Time{})
		require.NoError(t, err)
		all, q.Cursor = append(all, page.Items...), page.Next
	}
	assert.Len(t, all, want)
	assert.True(t, slices.IsSortedFunc(all, func(a, b webhook.Delivery) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.EndpointID, b.EndpointID))
	}))
	ids := make(map[string]bool, len(all))
	for _, d := range all {
		ids[d.ID] = true
	}
	assert.Len(t, ids, want)
}

// readLittle reads a page of each list with one or two filters: a short page, whose rows are
// missing or come late, and a long page.
func readLittle(t *testing.T, s *sqlstore.Store, counter *rowCounter, now time.Time) {
	t.Helper()
	filters := map[string]func(*webhook.Query){
		"all":      func(q *webhook.Query) { q.Tenant, q.AllTenants = "", true },
		"fan-outs": func(q *webhook.Query) { q.Tenant = "tenant_1" },
		"event":    func(q *webhook.Query) { q.EventID = "evt_10000" },
		"endpoint": func(q *webhook.Query) { q.EndpointID = "ep_0" },
		"type":     func(q *webhook.Query) { q.Type = "none.such" },
		"state":    func(q *webhook.Query) { q.State = webhook.DeliveryFailed },
		"late":     func(q *webhook.Query) { q.State = webhook.DeliverySucceeded },
		"class":    func(q *webhook.Query) { q.Class = webhook.ClassTimeout },
		"status":   func(q *webhook.Query) { q.Status = 503 },
		"times":    func(q *webhook.Query) { q.From, q.To = now.Add(-2*time.Hour), now.Add(time.Hour) },
	}
	read := func(list string, most func(limit int) int, page func(q webhook.Query) error, names ...string) {
		longest := 0
		for name, q := range sorted(queries(webhook.Query{Tenant: "tenant_0"}, filters, names...)) {
			with := strings.Count(name, "+") + 1
			if q.AllTenants {
				q.Tenant = ""
			}
			named := q.EventID != "" || q.EndpointID != ""
			if with > 2 || list == "Attempts" && named == q.AllTenants {
				continue
			}
			for _, q.Limit = range []int{1, 1000}[:3-with] {
				require.NoError(t, page(q), name)
				rows := counter.take(t)
				longest = max(longest, rows)
				assert.LessOrEqual(t, rows, most(q.Limit), "%s/%s, a page of at most %d", list, name, q.Limit)
			}
		}
		t.Logf("%s: a page reads at most %d rows", list, longest)
		assert.Greater(t, longest, pageRows, "%s: there is no long page", list)
	}
	// The rows of a page are read once more with all their columns. With an attempt and a delivery,
	// their event is read, and the size of an event's data before the data.
	const looked = pageRows + pageAhead
	read("Endpoints", func(int) int { return pageRows + 1 }, func(q webhook.Query) error {
		_, err := s.Endpoints(t.Context(), q)
		return err
	}, "all", "endpoint")
	read("Events", func(limit int) int { return looked + 2*limit }, func(q webhook.Query) error {
		_, err := s.Events(t.Context(), q)
		return err
	}, "all", "event", "type", "times")
	read("Attempts", func(limit int) int { return looked + 2*limit }, func(q webhook.Query) error {
		_, err := s.Attempts(t.Context(), q)
		return err
	}, "all", "fan-outs", "event", "endpoint", "class", "status", "times")
	read("Deliveries", func(int) int { return looked + pageRows }, func(q webhook.Query) error {
		_, err := s.Deliveries(t.Context(), q, now)
		return err
	}, "all", "fan-outs", "event", "endpoint", "type", "state", "late", "times")
}
