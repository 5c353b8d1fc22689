package drivertest

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

const aDay = 24 * time.Hour

func TestBodiesAttemptsAndEventsHaveAgesOfTheirOwn(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		for n := range 10 { // events of 9, 8, … 0 days ago, each with two attempts
			s.publish(s.event("acme", fmt.Sprint(n), "ep1"))
			for range 2 {
				s.deliver()
				_, err := s.store.Retry(t.Context(), webhook.Query{Tenant: "acme", State: webhook.DeliverySucceeded, EventID: fmt.Sprint(n)}, s.now)
				require.NoError(t, err)
			}
			_, err := s.store.Cancel(t.Context(), webhook.Query{Tenant: "acme"}, s.now)
			require.NoError(t, err)
			if n < 9 {
				s.now = s.now.Add(aDay)
			}
		}
		s.prune(forEver)
		require.Equal(t, 20, s.rowsOf("attempts"))
		s.prune(webhook.Retention{ResponseBodies: 3*aDay + time.Hour, Attempts: 5*aDay + time.Hour, Events: 7*aDay + time.Hour})
		assert.Equal(t, 8, s.rowsOf("bodies"))
		assert.Equal(t, 12, s.rowsOf("attempts"))
		assert.Equal(t, 8, s.rowsOf("events"))
		assert.Equal(t, 8, s.rowsOf("deliveries"))

		page, err := s.store.Attempts(t.Context(), webhook.Query{Tenant: "acme", EventID: "5"})
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
		for i, a := range page.Items {
			assert.Empty(t, a.ResponseBody)
			assert.Equal(t, 2-i, a.Number)
		}
		s.now = s.now.Add(9 * aDay)
		s.prune(webhook.Retention{ResponseBodies: -1, Attempts: -1, Events: aDay})
		assert.Equal(t, map[string]int{"endpoints": 1, "status": 1, "subscriptions": 1, "tenants": 1}, s.rows())
	})
}

func TestAnAgeOfNothingIsTheDefault(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		s.deliver()
		for _, age := range []struct {
			days                     int
			bodies, attempts, events int
		}{{6, 1, 1, 1}, {2, 0, 1, 1}, {21, 0, 1, 1}, {2, 0, 0, 0}} {
			s.now = s.now.AddDate(0, 0, age.days)
			s.prune(webhook.Retention{})
			assert.Equal(t, age.bodies, s.rowsOf("bodies"))
			assert.Equal(t, age.attempts, s.rowsOf("attempts"))
			assert.Equal(t, age.events, s.rowsOf("events"))
		}
	})
}

func TestNothingUnfinishedIsPruned(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.endpoint("acme", "ep2")
		outbox := s.event("acme", "outbox")
		outbox.Deliveries, outbox.NotBefore = nil, s.now.Add(1000*aDay)
		s.publish(s.event("acme", "half", "ep1", "ep2"), s.event("acme", "leased", "ep1"), outbox, s.event("acme", "none"))
		for _, l := range s.claim() {
			if l.Endpoint.ID == "ep2" { // the delivery to ep1 stays unfinished
				_, err := s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(l)})
				require.NoError(t, err)
			}
		}
		s.now = s.now.Add(100 * aDay)
		all := webhook.Retention{ResponseBodies: 1, Attempts: 1, Events: 1}
		s.prune(all)
		assert.Equal(t, 3, s.rowsOf("events"), "all but none")
		assert.Equal(t, 1, s.rowsOf("outbox"))
		assert.Equal(t, 2, s.rowsOf("queue"))
		assert.Equal(t, 1, s.rowsOf("attempts"), "of an event with an unfinished delivery")
		assert.Equal(t, 1, s.rowsOf("bodies"))

		// An event that was passed over is found when it has finished.
		require.Len(t, s.deliver(), 2)
		for range 3 {
			s.now = s.now.Add(time.Hour)
			s.prune(all)
		}
		assert.Equal(t, 1, s.rowsOf("events"), "outbox")
		assert.Zero(t, s.rowsOf("attempts"))
		assert.Zero(t, s.rowsOf("deliveries"))
	})
}

// Deliveries that other processes finish are found too, without a restart of the one that prunes.
func TestWhatAnotherProcessFinishedIsPruned(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		s.now = s.now.Add(100 * aDay)
		s.prune(webhook.Retention{})
		other := *s
		other.store = d.store(t, dsn, sqlstore.Options{})
		require.Len(t, other.deliver(), 1)
		s.now = s.now.Add(11 * time.Minute)
		s.prune(webhook.Retention{})
		assert.Zero(t, s.rowsOf("events"))
	})
}

func TestOnePrunesAndTheOthersReturnAtOnce(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) { // an SQLite file has one writer, who is waited for
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		s.publish(s.event("acme", "evt1"))
		s.now = s.now.Add(100 * aDay)
		pruner, err := d.open(t, dsn).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer pruner.Rollback()
		_, err = pruner.ExecContext(t.Context(), "SELECT name FROM webhook_locks WHERE name = 'prune' FOR UPDATE")
		require.NoError(t, err)
		more, err := s.store.Prune(t.Context(), s.now, webhook.Retention{})
		require.NoError(t, err)
		assert.False(t, more)
		assert.Equal(t, 1, s.rowsOf("events"))
		require.NoError(t, pruner.Rollback())
		s.prune(webhook.Retention{})
		assert.Zero(t, s.rowsOf("events"))
	})
}

func TestSeveralPruneAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
		require.NoError(t, s.store.Migrate(t.Context()))
		s.endpoint("acme", "ep1")
		s.backlog("acme", "ep1", 3000)
		require.NoError(t, s.store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, 0, s.now))
		s.now = s.now.Add(100 * aDay)
		var all sync.WaitGroup
		for range 4 {
			store := d.store(t, dsn, sqlstore.Options{})
			all.Go(func() {
				for more := true; more; {
					var err error
					more, err = store.Prune(t.Context(), s.now, webhook.Retention{})
					if err != nil && strings.Contains(err.Error(), "SQLITE_BUSY") { // the others had the file all the time
						more = true
						continue
					}
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		s.prune(webhook.Retention{})
		assert.Empty(t, s.rows())
	})
}

// One process that has much to prune begins its next transaction as soon as it has ended the
// last.
func TestOthersGetTheFileBetweenTwoPrunes(t *testing.T) {
	dsn := sqlite.dsn(t)
	s := newScene(t, sqlite.store(t, dsn, sqlstore.Options{}))
	require.NoError(t, s.store.Migrate(t.Context()))
	s.endpoint("acme", "ep1")
	s.backlog("acme", "ep1", 8000)
	require.NoError(t, s.store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, 0, s.now))
	later := s.now.Add(100 * aDay)
	var prunes atomic.Int64
	var pruner sync.WaitGroup
	pruner.Go(func() {
		for more := true; more; prunes.Add(1) {
			var err error
			more, err = s.store.Prune(t.Context(), later, webhook.Retention{})
			assert.NoError(t, err)
		}
	})
	other := *s
	other.store = sqlite.store(t, dsn, sqlstore.Options{})
	for prunes.Load() == 0 {
		runtime.Gosched()
	}
	before := prunes.Load()
	other.publish(other.event("acme", "evt1"))
	waited := prunes.Load() - before
	pruner.Wait()
	require.Greater(t, prunes.Load(), before+6, "there was not enough to prune")
	assert.LessOrEqual(t, waited, int64(5), "of %d", prunes.Load())
}

// backlog publishes n events that are due now.
func (s *scene) backlog(tenant, endpoint string, n int) {
	s.Helper()
	for n > 0 {
		events := make([]webhook.EventRecord, min(n, 1000))
		for i := range events {
			events[i] = s.event(tenant, "", endpoint)
			events[i].ID, events[i].NewID = events[i].UID.String(), true
		}
		s.publish(events...)
		n -= len(events)
	}
}

func TestDeleteEndpointDoesNotTouchItsBacklog(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.endpoint("acme", "ep2")
		rows := 20_000
		if raceDetector {
			rows = 2_000
		}
		s.backlog("acme", "ep1", rows)
		s.backlog("acme", "ep2", 10)
		begun := time.Now()
		require.NoError(t, s.store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, 0, s.now))
		took := time.Since(begun)
		assert.Less(t, took, time.Second)
		assert.Len(t, s.claim(), 10)

		begun = time.Now()
		calls, before := 0, s.rowsOf("queue")
		for more := true; more; calls++ {
			var err error
			more, err = s.store.Prune(t.Context(), s.now, forEver)
			require.NoError(t, err)
			left := s.rowsOf("queue")
			require.LessOrEqual(t, before-left, 1000, "a piece is short")
			before = left
		}
		t.Logf("DeleteEndpoint took %v, %d calls of Prune took %v", took, calls, time.Since(begun))
		assert.Equal(t, 10, s.rowsOf("queue"))
		assert.Equal(t, rows, s.rowsOf("deliveries"))
		page, err := s.store.Deliveries(t.Context(), webhook.Query{Tenant: "acme", EndpointID: "ep1", Limit: 1000}, s.now)
		require.NoError(t, err)
		require.Len(t, page.Items, 1000)
		for _, delivery := range page.Items {
			require.Equal(t, webhook.ReasonDeleted, delivery.Reason)
		}

		s.now = s.now.Add(aDay)
		before = s.rowsOf("events")
		for more := true; more; {
			more, err = s.store.Prune(t.Context(), s.now, webhook.Retention{Events: time.Hour})
			require.NoError(t, err)
			left := s.rowsOf("events")
			require.LessOrEqual(t, before-left, 5000, "a piece is short")
			before = left
		}
		assert.Equal(t, 10, s.rowsOf("events"))
	})
}

// rowsOfTenant counts the rows that are a tenant's, without the tables that have none.
func (s *scene) rowsOfTenant(tenant string) map[string]int {
	s.Helper()
	found := make(map[string]int)
	literal := "'" + tenant + "'"
	event := "event_uid IN (SELECT uid FROM webhook_events WHERE tenant = " + literal + ")"
	for _, table := range tables {
		where := event
		switch table {
		case "tenants", "endpoints", "status", "subscriptions", "events", "removals", "replays":
			where = "tenant = " + literal
		case "versions":
			where = "ref IN (SELECT ref FROM webhook_endpoints WHERE tenant = " + literal + ")"
		}
		if n := countWhere(s, s.store.DB(), "webhook_"+table+" WHERE "+where); n > 0 {
			found[table] = n
		}
	}
	return found
}

func TestABacklogIsCountedUpTo10000(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.backlog("acme", "ep1", 9_999)
		for i, want := range []int{9_999, 10_000, 10_000} {
			got, err := s.store.Backlog(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep1"}, s.now)
			require.NoError(t, err)
			assert.Equal(t, want, got.Pending)
			assert.Equal(t, want, got.Due)
			s.publish(s.event("acme", fmt.Sprint("more", i), "ep1"))
		}
	})
}

func TestEraseRemovesATenantAndNothingElse(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		for _, tenant := range []string{"acme", "beta"} {
			for n := range 101 {
				s.endpoint(tenant, fmt.Sprintf("ep%d", n))
			}
			e := s.endpoint(tenant, "upd")
			s.publish(s.event(tenant, "evt0", "upd"))
			_, err := s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
			events := make([]webhook.EventRecord, 0, 450)
			for n := range 450 {
				events = append(events, s.event(tenant, fmt.Sprint(n), "ep1", "ep2"))
			}
			events[0].Deliveries = nil
			s.publish(events...)
			leased := s.claim()
			_, err = s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(leased[0]), s.succeeded(leased[1])})
			require.NoError(t, err)
			outbox := s.event(tenant, "outbox")
			outbox.Deliveries, outbox.NotBefore = nil, s.now.Add(time.Hour)
			s.publish(outbox)
			_, err = s.store.CreateReplay(t.Context(), webhook.Replay{
				ID: s.event(tenant, "replay").UID.String(), Key: "key of " + tenant, Tenant: tenant, Request: webhook.ReplayRequest{Rate: 1}, CreatedAt: s.now,
			})
			require.NoError(t, err)
			require.NoError(t, s.store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: tenant, ID: "ep2"}, 0, s.now))
		}
		f := d.fill(t, s.store.DB(), s.now)
		for i, tenant := range []string{"acme", "beta"} {
			f.exec(fmt.Sprintf("INSERT INTO webhook_removals (event_uid, tenant) VALUES (%s, '%s')", f.uuid(uuid.UUID{byte(i)}), tenant))
		}
		beta := s.rowsOfTenant("beta")
		require.Equal(t, beta, s.rowsOfTenant("acme"))
		require.Len(t, beta, len(tables), "there is something in every table")
		all := s.rows()
		for table, n := range beta {
			require.Equal(t, 2*n, all[table], table)
		}
		require.NoError(t, s.store.Erase(t.Context(), "acme"))
		assert.Empty(t, s.rowsOfTenant("acme"))
		assert.Equal(t, beta, s.rows())
		require.NoError(t, s.store.Erase(t.Context(), "acme"), "it may be repeated")
		require.NoError(t, s.store.Erase(t.Context(), "nobody"))
		assert.Equal(t, beta, s.rows())
		s.endpoint("acme", "ep1")
	})
}

func TestEarlierVersionsAreForgottenWhenNoDeliveryNeedsThem(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		e := s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		for n := range 3 {
			e.URL = fmt.Sprintf("https://example.com/v%d", n+2)
			var err error
			e, err = s.store.UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		require.Equal(t, 3, s.rowsOf("versions"))
		s.now = s.now.Add(3 * time.Hour)
		s.prune(forEver)
		claimed, err := s.store.Claim(t.Context(), webhook.ClaimRequest{
			Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 10, MaxBytes: 1 << 20, Room: 10,
		})
		require.NoError(t, err)
		require.Len(t, claimed.Snapshots, 1, "it was made under the first version")
		assert.Equal(t, "https://example.com/acme/v1", claimed.Snapshots[0].URL)
		_, err = s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(claimed.Deliveries[0])})
		require.NoError(t, err)
		s.prune(forEver)
		assert.Zero(t, s.rowsOf("versions"))
	})
}

func TestAttemptsKeepTheirNumbersAfterPruningAndRetryByHand(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		retry := func() {
			_, err := s.store.Retry(t.Context(), webhook.Query{Tenant: "acme", EventID: "evt1", EndpointID: "ep1"}, s.now)
			require.NoError(t, err)
		}
		numbers := func() (list []int) {
			page, err := s.store.Attempts(t.Context(), webhook.Query{Tenant: "acme", EventID: "evt1"})
			require.NoError(t, err)
			for _, a := range page.Items {
				list = append(list, a.Number)
			}
			return list
		}
		once := func() {
			require.Len(t, s.deliver(), 1)
			s.now = s.now.Add(time.Second)
		}
		once()
		retry()
		once()
		assert.Equal(t, []int{2, 1}, numbers())
		s.now = s.now.Add(40 * aDay)
		for range 2 {
			s.prune(webhook.Retention{Events: -1})
			assert.Empty(t, numbers())
			retry()
			once()
		}
		assert.Equal(t, []int{4}, numbers(), "the third was pruned")
		retry()
		once()
		assert.Equal(t, []int{5, 4}, numbers())
		page, err := s.store.Deliveries(t.Context(), webhook.Query{Tenant: "acme"}, s.now)
		require.NoError(t, err)
		assert.Equal(t, 5, page.Items[0].Attempts)
	})
}
