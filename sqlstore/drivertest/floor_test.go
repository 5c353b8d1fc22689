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

// A transaction that stays open keeps the index entries of all deliveries that have passed since.
func TestAnEmptyClaimDoesNotReadWhatASnapshotKeeps(t *testing.T) {
	t.Parallel()
	dsn := postgres.dsn(t)
	var watching atomic.Bool
	buffers := 0
	recorded := postgres
	var err error
	recorded.driver, err = recorder.Register(postgres.driver, func(ctx context.Context, q recorder.Statement) {
		if !watching.Load() || !strings.HasPrefix(q.Query, "SELECT (SELECT due_at") {
			return
		}
		plan, err := q.Ask(ctx, "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) "+q.Query, q.Args)
		assert.NoError(t, err)
		if m := sharedHits.FindStringSubmatch(fmt.Sprint(plan)); assert.NotNil(t, m, plan) {
			n, _ := strconv.Atoi(m[1])
			buffers = max(buffers, n)
		}
	})
	require.NoError(t, err)
	s := newScene(t, recorded.store(t, dsn, sqlstore.Options{}))
	require.NoError(t, s.store.Migrate(t.Context()))
	s.endpoint("acme", "ep1")
	backup, err := postgres.open(t, dsn).BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(t, err)
	defer backup.Rollback()
	var n int
	require.NoError(t, backup.QueryRowContext(t.Context(), "SELECT count(*) FROM webhook_queue").Scan(&n))

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
		_, err := s.store.Settle(t.Context(), s.now, items)
		require.NoError(t, err)
	}
	s.now = s.now.Add(10 * time.Minute)
	require.Empty(t, s.claim()) // the first look reads all
	watching.Store(true)
	require.Empty(t, s.claim())
	t.Logf("an empty claim reads %d pages", buffers)
	assert.NotZero(t, buffers)
	assert.Less(t, buffers, 100, "pages that an empty claim reads after 4,000 deliveries")
}

// What comes late, or from a process whose clock is behind, is found all the same.
func TestAClaimFindsWhatBecameDueBeforeItLookedLast(t *testing.T) {
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

		// A caller whose time was ahead does not hide what others see as due.
		ahead := *s
		ahead.now = s.now.Add(24 * time.Hour)
		ahead.claim()
		late(time.Second)
		assert.Len(t, s.claim(), 1)
	})
}
