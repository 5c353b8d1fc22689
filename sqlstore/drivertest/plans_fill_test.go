package drivertest

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// A filler makes rows in SQL, in seconds where the store's methods would take hours.
type filler struct {
	tb  testing.TB
	d   database
	db  *sql.DB
	now time.Time
}

// fill returns a filler for a database that has the tables. It makes one of its own, of
// endpoints by their numbers.
func (d database) fill(tb testing.TB, db *sql.DB, now time.Time) *filler {
	tb.Helper()
	f := &filler{tb: tb, d: d, db: db, now: now}
	ref, text := map[string]string{"postgres": "uuid", "mysql": "binary(16)", "sqlite": "BLOB"}[d.name], "varchar(255)"
	f.exec("CREATE TABLE filled (n bigint PRIMARY KEY, ref " + ref + ", tenant " + text + ", id " + text + ")")
	return f
}

func (f *filler) exec(query string) {
	f.tb.Helper()
	_, err := f.db.ExecContext(f.tb.Context(), query)
	require.NoError(f.tb, err, query[:min(len(query), 500)])
}

// refOf is how the store names an endpoint.
func refOf(key webhook.EndpointKey) uuid.UUID {
	h := binary.BigEndian.AppendUint32(nil, uint32(len(key.Tenant)))
	sum := sha256.Sum256(append(append(h, key.Tenant...), key.ID...))
	sum[0] &= 0x7f
	return uuid.UUID(sum[:16])
}

// bytes writes a value of bytes, and uuid one of a UUID.
func (f *filler) bytes(b []byte) string {
	if f.d.name == "postgres" {
		return fmt.Sprintf(`'\x%x'::bytea`, b)
	}
	return fmt.Sprintf("x'%x'", b)
}

func (f *filler) uuid(u uuid.UUID) string {
	if f.d.name == "postgres" {
		return "'" + u.String() + "'::uuid"
	}
	return f.bytes(u[:])
}

// uid makes a UID in SQL, of milliseconds and a number.
func (f *filler) uid(ms, n string) string {
	switch f.d.name {
	case "postgres":
		return fmt.Sprintf("(lpad(to_hex((%s)::bigint), 12, '0') || '70008000' || lpad(to_hex((%s)::bigint), 12, '0'))::uuid", ms, n)
	case "mysql":
		return fmt.Sprintf("UNHEX(CONCAT(LPAD(HEX(%s), 12, '0'), '70008000', LPAD(HEX(%s), 12, '0')))", ms, n)
	}
	return fmt.Sprintf("unhex(printf('%%012x70008000%%012x', %s, %s))", ms, n)
}

func (f *filler) concat(a, b string) string {
	if f.d.name == "mysql" {
		return "CONCAT(" + a + ", " + b + ")"
	}
	return "(" + a + " || (" + b + "))"
}

// chunk is how many rows one statement makes.
const chunk = 100_000

// insert runs INSERT INTO … SELECT for each number from 0, as k.n.
func (f *filler) insert(count int, into, columns, from string) {
	f.tb.Helper()
	zero := "0"
	if f.d.name == "postgres" {
		zero = "0::bigint"
	}
	for begin := 0; begin < count; begin += chunk {
		f.exec(fmt.Sprintf(`INSERT INTO webhook_%s WITH d(n) AS (SELECT `+zero+` UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3
			UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9),
			k(n) AS (SELECT %d + d1.n + 10 * d2.n + 100 * d3.n + 1000 * d4.n + 10000 * d5.n
				FROM d d1 CROSS JOIN d d2 CROSS JOIN d d3 CROSS JOIN d d4 CROSS JOIN d d5)
			SELECT %s FROM k %s k.n < %d ORDER BY k.n`, into, begin, columns, from, count))
	}
}

// endpoints makes active endpoints, so many of each tenant, which are numbered from 0 on.
func (f *filler) endpoints(tenants, each int) {
	f.tb.Helper()
	const atOnce = 500
	us := f.now.Add(-50 * day).UnixMicro()
	var filled, endpoints, status, subscriptions, counts []string
	flush := func() {
		for _, part := range []struct {
			into string
			rows *[]string
		}{
			{"filled", &filled},
			{"webhook_tenants (tenant, endpoints)", &counts},
			{"webhook_endpoints (ref, tenant, id, created_at, url, description, events, channel, profile, metadata, header, " +
				"secrets, timeout_us, max_in_flight)", &endpoints},
			{"webhook_status (ref, tenant, id, version, state, reason, updated_at, failures, failing_since, last_failure_at, " +
				"recovered_at, blocked_until, circuit)", &status},
			{"webhook_subscriptions (tenant, pattern, channel, endpoint_id, ref)", &subscriptions},
		} {
			if len(*part.rows) > 0 {
				f.exec("INSERT INTO " + part.into + " VALUES " + strings.Join(*part.rows, ", "))
				*part.rows = nil
			}
		}
	}
	for n := range tenants * each {
		key := keyOf(n, each)
		ref := f.uuid(refOf(key))
		if n%each == 0 {
			counts = append(counts, fmt.Sprintf("('%s', %d)", key.Tenant, each))
		}
		filled = append(filled, fmt.Sprintf("(%d, %s, '%s', '%s')", n, ref, key.Tenant, key.ID))
		endpoints = append(endpoints, fmt.Sprintf(`(%s, '%s', '%s', %d, 'https://%s.example/hooks', '', '["order.*"]', '', '', '', '', '', 0, 0)`,
			ref, key.Tenant, key.ID, us, key.Tenant))
		status = append(status, fmt.Sprintf("(%s, '%s', '%s', 1, 'active', '', %d, 0, 0, 0, 0, 0, 0)", ref, key.Tenant, key.ID, us))
		subscriptions = append(subscriptions, fmt.Sprintf("('%s', 'order.*', '', '%s', %s)", key.Tenant, key.ID, ref))
		if len(filled) == atOnce {
			flush()
		}
	}
	flush()
}

// keyOf is the endpoint of a number.
func keyOf(n, each int) webhook.EndpointKey {
	return webhook.EndpointKey{Tenant: fmt.Sprintf("tenant_%d", n/each), ID: fmt.Sprintf("ep_%d", n)}
}

// analyze lets the database gather statistics.
func (f *filler) analyze() {
	f.tb.Helper()
	if f.d.name != "mysql" {
		f.exec("ANALYZE")
		return
	}
	for _, table := range tables {
		f.exec("ANALYZE TABLE webhook_" + table)
	}
}

// An amount of rows, as one would find them in a database that is used.
const (
	usedTenants   = 50
	usedEndpoints = 4 // of a tenant
	usedEvents    = 24_000
	usedFinished  = 4_000 // of these, the oldest, have nothing unfinished

	// Beside them there are other tenants, with events that nobody has received: the last of
	// them wait in the outbox.
	otherTenants = 1_200
	otherEvents  = 48_000
	otherWaiting = 20_000

	// One tenant has more subscriptions than one claim makes deliveries for. They name endpoints of
	// other tenants.
	wideTenant    = "tenant_wide"
	wideEndpoints = 1_100
)

// usedMs is when an event was made, in milliseconds: the first of so many 40 days ago, the
// last an hour ago.
func (f *filler) usedMs(n string, of int) string {
	begin := f.now.Add(-40 * day).UnixMilli()
	return fmt.Sprintf("%d + %s * %d", begin, n, (40*day-time.Hour).Milliseconds()/int64(of))
}

// used fills all tables.
//
// Of a tenant's events, each has a finished delivery with two attempts to one of its
// endpoints, and, unless it is old, an unfinished one to the next. Of those, one in eight is
// ready, and one in a hundred about to be; the others wait.
func (f *filler) used() {
	f.tb.Helper()
	f.endpoints(usedTenants+otherTenants, usedEndpoints)
	now, ms := f.now.UnixMicro(), f.usedMs("k.n", usedEvents)
	f.events(usedEvents, 1, ms, "k.n", "k.n % 50")
	otherMs := f.usedMs("k.n", otherEvents)
	f.events(otherEvents, 0, otherMs, "1000000 + k.n", "50 + k.n % 1200")
	f.insert(otherEvents, "outbox (event_uid, due_at)", fmt.Sprintf("%s, %d + k.n * 1000", f.uid(otherMs, "1000000 + k.n"), now+3_600_000_000),
		fmt.Sprintf("WHERE k.n >= %d AND", otherEvents-otherWaiting))
	f.exec("INSERT INTO webhook_versions (ref, version, url, profile, metadata, superseded_at) " +
		"SELECT ref, 1, 'https://old.example/hooks', '', '', 0 FROM filled WHERE id NOT LIKE 'ep_%24'")
	f.exec(fmt.Sprintf("INSERT INTO webhook_subscriptions (tenant, pattern, channel, endpoint_id, ref) "+
		"SELECT '%s', 'order.*', '', id, ref FROM filled WHERE n >= %d AND n < %d", wideTenant, 2000, 2000+wideEndpoints))
	of := func(slot int) string {
		return fmt.Sprintf("JOIN filled e ON e.n = (k.n %% 50) * 4 + ((k.n - k.n %% 50) / 50 + %d) %% 4 WHERE", slot)
	}
	finished := f.uid(ms, "k.n")
	f.insert(usedEvents, "deliveries (event_uid, endpoint_id, ref, version, state, reason, lease_no, settled_no, attempts, failures, pruned, finished_at)",
		fmt.Sprintf("%s, e.id, e.ref, 1, CASE WHEN k.n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END, '', 2, 2, 2, 1, 0, (%s) * 1000 + 5000000",
			finished, ms), of(0))
	for lease, class := range []string{"http_status", ""} {
		f.insert(usedEvents, "attempts (event_uid, endpoint_id, lease_no, ref, started_at, duration_us, status, class, error, truncated, next_at, late, test, fanout)",
			fmt.Sprintf("%s, e.id, %d, e.ref, (%s) * 1000 + %d, 5000, %d, '%s', '', 0, 0, 0, 0, 1", finished, lease+1, ms, lease*1_000_000,
				503-303*lease, class), of(0))
	}
	f.insert(usedEvents, "bodies (event_uid, endpoint_id, lease_no, body)",
		fmt.Sprintf("%s, e.id, 1, %s", finished, f.bytes([]byte("try later"))), of(0))
	due := fmt.Sprintf("CASE WHEN k.n %% 8 = 0 OR k.n %% 100 = 1 THEN %d - k.n ELSE %d + k.n * 1000000 END", now, now+3_600_000_000)
	f.insert(usedEvents, "queue (event_uid, endpoint_id, ref, lane, due_at, lease_no, leased_until, settled_no, version, attempts, failures, pruned, since, size, fanout, reason)",
		fmt.Sprintf("%s, e.id, e.ref, CASE WHEN k.n %% 8 = 0 THEN e.ref ELSE %s END, %s, 1, 0, 1, 1, 1, 1, 0, %d, 11, 1, ''",
			f.uid(ms, "k.n"), f.uuid(uuid.UUID{}), due, now-1_000_000), fmt.Sprintf("%s k.n >= %d AND", of(1), usedFinished))
}

// events makes events of such times, numbers, and numbers of their tenants.
func (f *filler) events(count, fanout int, ms, n, tenant string) {
	f.tb.Helper()
	f.insert(count, "events (uid, tenant, id, type, channel, header, time, not_before, created_at, keep, fanout, test, content_hash, data)",
		fmt.Sprintf("%s, %s, %s, 'order.paid', '', '', (%s) * 1000, 0, (%s) * 1000, 0, %d, 0, %s, %s", f.uid(ms, n),
			f.concat("'tenant_'", tenant), f.concat("'evt_'", n), ms, ms, fanout, f.bytes(make([]byte, 32)), f.bytes([]byte(`{"order":1}`))),
		"WHERE")
}

const day = 24 * time.Hour
