package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

var sharedHits = regexp.MustCompile(`shared hit=(\d+)`)

// A snapshotScene is a store on PostgreSQL beside a transaction that stays open, such as a
// backup. It keeps the index entries of all rows that go away.
type snapshotScene struct {
	*scene
	watching atomic.Bool
	only     string // the beginning of the statements that are watched
	pages    int    // that the longest of them has read
}

func besideSnapshot(t *testing.T) *snapshotScene {
	t.Helper()
	dsn := postgres.dsn(t)
	s := &snapshotScene{only: "SELECT (SELECT due_at"}
	recorded := postgres
	var err error
	recorded.driver, err = recorder.Register(postgres.driver, func(ctx context.Context, q recorder.Statement) {
		if !s.watching.Load() || !strings.HasPrefix(q.Query, s.only) || !strings.Contains(q.Query, "webhook_") {
			return
		}
		plan, err := q.Ask(ctx, "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "+q.Query, q.Args)
		assert.NoError(t, err)
		if m := sharedHits.FindStringSubmatch(fmt.Sprint(plan)); assert.NotNil(t, m, plan) {
			n, _ := strconv.Atoi(m[1])
			s.pages = max(s.pages, n)
		}
	})
	require.NoError(t, err)
	s.scene = newScene(t, recorded.store(t, dsn, sqlstore.Options{}))
	require.NoError(t, s.store.Migrate(t.Context()))
	s.endpoint("acme", "ep1")
	backup, err := postgres.open(t, dsn).BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(t, err)
	t.Cleanup(func() { _ = backup.Rollback() })
	var n int
	require.NoError(t, backup.QueryRowContext(t.Context(), "SELECT count(*) FROM webhook_queue").Scan(&n))
	return s
}

// emptyClaim returns how many pages the look of an empty claim reads.
func (s *snapshotScene) emptyClaim() int {
	s.Helper()
	s.now = s.now.Add(10 * time.Minute)
	require.Empty(s, s.claim()) // the first look reads all
	s.watching.Store(true)
	require.Empty(s, s.claim())
	s.watching.Store(false)
	s.Logf("an empty claim reads %d pages", s.pages)
	require.NotZero(s, s.pages)
	return s.pages
}

// pass publishes and settles 4,000 deliveries.
func (s *snapshotScene) pass() {
	s.Helper()
	for range 8 {
		events := make([]webhook.EventRecord, 500)
		items := make([]webhook.Settlement, len(events))
		for i := range events {
			events[i] = s.event("acme", "", "ep1")
			events[i].ID, events[i].NewID = events[i].UID.String(), true
			events[i].Deliveries[0].Leased = true
			items[i] = s.succeeded(webhook.Leased{
				UID: events[i].UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, LeaseNo: 1,
			})
		}
		s.publish(events...)
		_, err := s.store.Settle(s.Context(), s.now, items)
		require.NoError(s, err)
	}
}

func TestAnEmptyClaimDoesNotReadWhatASnapshotKeeps(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	s := besideSnapshot(t)
	s.pass()
	assert.Less(t, s.emptyClaim(), 100, "pages after 4,000 deliveries")
}

// Publish finds duplicates, and Settle finds failed deliveries, by their keys.
func TestPublishAndSettleDoNotReadWhatASnapshotKeeps(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	s := besideSnapshot(t)
	s.only = "SELECT "
	lookups := func(id string) int {
		e := s.event("acme", id, "ep1")
		s.publish(e)
		leased := s.claim()
		require.Len(t, leased, 1)
		s.pages = 0
		s.watching.Store(true)
		defer s.watching.Store(false)
		e.UID[15] ^= 0x80
		_, err := s.store.Publish(t.Context(), s.request(e))
		require.NoError(t, err)
		out, err := s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.failed(leased[0])})
		require.NoError(t, err)
		require.Empty(t, out.Failed)
		require.NotZero(t, s.pages)
		return s.pages
	}
	before := lookups("before")
	s.pass()
	after := lookups("after")
	t.Logf("the longest lookup reads %d pages, and %d after 4,000 deliveries", before, after)
	assert.LessOrEqual(t, after, 2*before+10)
}

// Events without subscribers leave nothing but the entries of their outbox rows.
func TestAnEmptyClaimDoesNotReadTheOutboxThatASnapshotKeeps(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	s := besideSnapshot(t)
	for range 8 {
		events := make([]webhook.EventRecord, 500)
		for i := range events {
			events[i] = s.event("nobody", "")
			events[i].ID, events[i].NewID, events[i].Deliveries = events[i].UID.String(), true, nil
		}
		s.publish(events...)
		require.Empty(t, s.claim())
	}
	require.Zero(t, s.rowsOf("outbox"))
	assert.Less(t, s.emptyClaim(), 20, "pages after 4,000 events")
}

// The host's transaction may stay open for long, or its process's clock be behind.
func TestAClaimFindsAnOutboxRowThatCommitsLate(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		emit := func(id string) webhook.EventRecord {
			e := s.event("acme", id)
			e.Deliveries = nil
			return e
		}
		soon, late := emit("soon"), emit("late")
		s.now = s.now.Add(90 * time.Second)
		require.Empty(t, s.claim())
		s.publish(soon)
		assert.Len(t, s.deliver(), 1, "it commits after 90 s")
		s.now = s.now.Add(time.Hour)
		require.Empty(t, s.claim())
		s.publish(late)
		s.now = s.now.Add(time.Minute)
		assert.Len(t, s.claim(), 1, "all is looked at once a minute")
	})
}

// A delivery that comes late, or from a process with a slow clock, is found too.
func TestAClaimFindsWhatBecameDueBeforeItLookedLast(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.now = s.now.Add(time.Hour)
		require.Empty(t, s.claim())
		behind := *s
		behind.seq = 1000
		late := func(by time.Duration) {
			behind.now = s.now.Add(-by)
			e := behind.event("acme", fmt.Sprint("evt", by), "ep1")
			e.Deliveries[0].DueAt = behind.now.Add(time.Millisecond)
			behind.publish(e)
		}
		late(90 * time.Second)
		assert.Len(t, s.claim(), 1, "the clock of its process is 90 s behind")
		late(30 * time.Minute)
		s.now = s.now.Add(time.Minute)
		assert.Len(t, s.claim(), 1, "all is looked at once a minute")

		// A caller with a fast clock does not hide deliveries that others see as due.
		ahead := *s
		ahead.now = s.now.Add(24 * time.Hour)
		ahead.claim()
		late(time.Second)
		assert.Len(t, s.claim(), 1)
	})
}
