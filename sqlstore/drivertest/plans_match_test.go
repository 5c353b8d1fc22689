package drivertest

import (
	"context"
	"database/sql/driver"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// manySubscribers is the number of a tenant's endpoints that subscribe to other types than the
// emitted one.
const manySubscribers = 100_000

var actualRows = regexp.MustCompile(`actual [^)]*rows=([0-9.]+) loops=([0-9]+)|Rows Removed[^:]*: ([0-9]+)`)

// rowsRead adds up the rows of each node of EXPLAIN ANALYZE.
func rowsRead(t *testing.T, lines [][]driver.Value) (rows float64) {
	t.Helper()
	number := func(s string) float64 {
		if s == "" {
			return 0
		}
		f, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		return f
	}
	for _, line := range lines {
		for _, m := range actualRows.FindAllStringSubmatch(fmt.Sprint(line), -1) {
			rows += number(m[1])*number(m[2]) + number(m[3])
		}
	}
	return rows
}

// Which index a plan uses does not say how much of it: a join from the other end would read
// all subscriptions of the tenant.
func TestAMatchReadsNoMoreThanItFindsAmongManyEndpoints(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	d, dsn := postgres, postgres.dsn(t)
	plain := d.store(t, dsn, sqlstore.Options{})
	require.NoError(t, plain.Migrate(t.Context()))
	f := d.fill(t, plain.DB(), time.Now().UTC())
	f.endpoints(1, 10)
	ref := f.uid("k.n", "k.n")
	f.insert(manySubscribers, "subscriptions (tenant, pattern, channel, endpoint_id, ref)",
		fmt.Sprintf("'tenant_0', 'other.sent', '', 'other_' || k.n, %s", ref), "WHERE")
	f.insert(manySubscribers, "status (ref, tenant, id, version, state, reason, updated_at, failures, failing_since, last_failure_at, "+
		"recovered_at, blocked_until, circuit)",
		fmt.Sprintf("%s, 'tenant_0', 'other_' || k.n, 1, 'active', '', 0, 0, 0, 0, 0, 0, 0", ref), "WHERE")

	for _, analyzed := range []bool{false, true} {
		if analyzed {
			f.analyze()
		}
		var plans []string
		var read []float64
		watch := func(ctx context.Context, s recorder.Statement) {
			if strings.Contains(s.Query, "webhook_subscriptions") {
				lines, err := s.Ask(ctx, "EXPLAIN (ANALYZE, TIMING OFF) "+s.Query, s.Args)
				assert.NoError(t, err)
				plans, read = append(plans, fmt.Sprint(lines)), append(read, rowsRead(t, lines))
			}
		}
		watched := d
		var err error
		watched.driver, err = recorder.Register(d.driver, watch)
		require.NoError(t, err)
		s := watched.store(t, dsn, sqlstore.Options{})
		for typ, want := range map[string]int{"order.paid": 10, "none.such": 0} {
			r := webhook.EventRecord{Type: typ}
			plans, read = nil, nil
			for range 8 { // a driver may prepare the statement, and the server keep a plan
				matched, err := s.Match(t.Context(), []webhook.MatchRequest{{Tenant: "tenant_0", Patterns: r.Patterns(), Limit: 1000}})
				require.NoError(t, err)
				require.Len(t, matched[0], want)
			}
			require.Len(t, plans, 8)
			for i := range read {
				assert.Positive(t, read[i])
				assert.LessOrEqual(t, read[i], 100.0, "analyzed %v, %s: %s", analyzed, typ, plans[i])
			}
		}
	}
}
