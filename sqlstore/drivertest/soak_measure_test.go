package drivertest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// soak skips a test that takes minutes, unless it is asked for.
func soak(t *testing.T) {
	t.Helper()
	if !soaking() {
		t.Skip("it takes minutes; run make soak, or set WEBHOOK_TEST_SOAK=1")
	}
}

// soakRows is the number of finished deliveries, and of attempts: WEBHOOK_TEST_SOAK_ROWS, or
// ten million. Ten million take about four minutes to load on each database, and 5 GB.
func soakRows(t *testing.T) int {
	t.Helper()
	if said := os.Getenv("WEBHOOK_TEST_SOAK_ROWS"); said != "" {
		n, err := strconv.Atoi(said)
		require.NoError(t, err, "WEBHOOK_TEST_SOAK_ROWS")
		return n
	}
	return 10_000_000
}

// A measurement is the median of so many runs, in the quickest of several rounds: the machine
// may be busy, and after a load a server writes for a while.
const (
	soakRuns   = 15
	soakRounds = 3  // of the baseline
	soakMost   = 12 // as long as it takes too long
)

// median measures something. Before each round it calls prepare.
func median(t *testing.T, prepare, run func()) time.Duration {
	t.Helper()
	best := oneMedian(prepare, run)
	for range soakRounds - 1 {
		best = min(best, oneMedian(prepare, run))
	}
	return best
}

func oneMedian(prepare, run func()) time.Duration {
	prepare()
	times := make([]time.Duration, soakRuns)
	for i := range times {
		begin := time.Now()
		run()
		times[i] = time.Since(begin)
	}
	return middle(times)
}

func middle(times []time.Duration) time.Duration {
	times = slices.Sorted(slices.Values(times))
	return times[len(times)/2]
}

// within fails if something takes more than twice as long as the baseline.
func within(t *testing.T, what string, baseline time.Duration, prepare, run func()) {
	t.Helper()
	took := oneMedian(prepare, run)
	rounds := 1
	for ; rounds < soakMost && took > 2*baseline; rounds++ {
		took = min(took, oneMedian(prepare, run))
	}
	note(t, fmt.Sprintf("%s (round %d)", what, rounds), took)
	assert.LessOrEqual(t, took, 2*baseline, "%s: more than twice the baseline", what)
}

// note prints a line of the table.
func note(t *testing.T, what string, took time.Duration) {
	t.Helper()
	_, database, _ := strings.Cut(t.Name(), "/")
	t.Logf("%-9s %-75s %12v", database, what, took.Round(10*time.Microsecond))
}

// A soaker is a store with many rows.
type soaker struct {
	*testing.T
	d   database
	dsn string
	s   *sqlstore.Store
	f   *filler
	now time.Time
}

// The endpoints of a soak test: healthy ones, and two that are not.
const (
	soakHealthy = 100
	soakDead    = soakHealthy
	soakPaused  = soakHealthy + 1
)

func newSoaker(t *testing.T, d database, endpoints int) *soaker {
	t.Helper()
	soak(t)
	dsn := d.dsn(t)
	s := d.store(t, dsn, sqlstore.Options{})
	require.NoError(t, s.Migrate(t.Context()))
	now := time.Now().Truncate(time.Microsecond).UTC()
	f := d.fill(t, s.DB(), now)
	f.endpoints(endpoints, 1)
	return &soaker{T: t, d: d, dsn: dsn, s: s, f: f, now: now}
}

// load makes rows of a table for the endpoints from one number to another, and says how long
// it took.
func (s *soaker) load(count int, table, columns, values string) {
	s.Helper()
	begin := time.Now()
	s.f.insert(count, table+" "+columns, values, "WHERE")
	took := time.Since(begin)
	s.Logf("(loaded %d rows of %s in %v)", count, table, took.Round(time.Millisecond))
}

const (
	soakQueue = "(event_uid, endpoint_id, ref, lane, due_at, lease_no, leased_until, settled_no, version, attempts, failures, pruned, since, size, fanout, reason)"
	soakEnded = "(event_uid, endpoint_id, ref, version, state, reason, lease_no, settled_no, attempts, failures, pruned, finished_at)"
	soakLog   = "(event_uid, endpoint_id, lease_no, ref, started_at, duration_us, status, class, error, truncated, next_at, late, test, fanout)"
)

// claim claims a hundred deliveries, of many endpoints.
func (s *soaker) claim() webhook.Claimed {
	s.Helper()
	got, err := s.s.Claim(s.Context(), webhook.ClaimRequest{
		Now: s.now, LeaseUntil: s.now.Add(time.Hour), Max: 100, MaxBytes: 1 << 24, Room: 8,
	})
	require.NoError(s, err)
	return got
}

func (s *soaker) claimFull() {
	s.Helper()
	require.Len(s, s.claim().Deliveries, 100)
}

func soakUID(u uuid.UUID, ms int64) uuid.UUID {
	for i := range 6 {
		u[i] = byte(ms >> (8 * (5 - i)))
	}
	return u
}
