package drivertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// laneWith returns a scene with so many deliveries of one endpoint that are due, the longest
// due first.
func laneWith(t *testing.T, d database, n int) *scene {
	t.Helper()
	s := newScene(t, d.migrated(t))
	s.endpoint("acme", "ep1")
	for i := range n {
		e := s.event("acme", fmt.Sprint("evt", i), "ep1")
		e.Deliveries[0].DueAt = s.now.Add(time.Duration(i-n) * time.Second)
		s.publish(e)
	}
	return s
}

// some leases as many deliveries as there is room for, and returns the numbers of the events.
func (s *scene) some(limit webhook.ClaimRequest) (numbers []string, leased []webhook.Leased) {
	s.Helper()
	limit.Now, limit.LeaseUntil = s.now, s.now.Add(time.Minute)
	c, err := s.store.Claim(s.Context(), limit)
	require.NoError(s, err)
	names := make(map[any]string)
	for _, e := range c.Events {
		names[e.UID] = e.ID[len("evt"):]
	}
	for _, l := range c.Deliveries {
		numbers = append(numbers, names[l.UID])
	}
	return numbers, c.Deliveries
}

// inLane counts the deliveries that a claim finds in a lane, leased or not.
func (s *scene) inLane() int {
	s.Helper()
	return countWhere(s, s.store.DB(), "webhook_queue WHERE lane = ref")
}

func TestALeaseLeavesItsLaneUnlessThereIsMore(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := laneWith(t, d, 5)
		room := webhook.ClaimRequest{Max: 10, MaxBytes: 1 << 20, Room: 2}
		numbers, first := s.some(room)
		assert.Equal(t, []string{"0", "1"}, numbers)
		assert.Equal(t, 5, s.inLane(), "there is more, so they stay")
		numbers, _ = s.some(room)
		assert.Equal(t, []string{"2", "3"}, numbers, "those that are leased are passed over")
		numbers, _ = s.some(room)
		assert.Equal(t, []string{"4"}, numbers)
		assert.Equal(t, 4, s.inLane(), "there is no more behind it")
		numbers, _ = s.some(room)
		assert.Empty(t, numbers)

		stats, err := s.store.Stats(t.Context(), s.now)
		require.NoError(t, err)
		stats.Endpoints = webhook.Stats{}.Endpoints
		assert.Equal(t, webhook.Stats{Pending: 5, InFlight: 5}, stats)
		settled, err := s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(first[0])})
		require.NoError(t, err)
		assert.Empty(t, settled.Lost)

		s.now = s.now.Add(time.Minute + 5*time.Second)
		numbers, again := s.some(webhook.ClaimRequest{Max: 10, MaxBytes: 1 << 20, Room: 10})
		assert.ElementsMatch(t, []string{"1", "2", "3", "4"}, numbers, "all leases have ended")
		for _, l := range again {
			assert.EqualValues(t, 2, l.LeaseNo)
		}
		assert.Zero(t, s.inLane(), "a claim need not visit the lane any more")
	})
}

func TestALeaseStaysWhereACallHasNoRoomForMore(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		for name, limit := range map[string]webhook.ClaimRequest{
			"deliveries": {Max: 2, MaxBytes: 1 << 20, Room: 10},
			"bytes":      {Max: 10, MaxBytes: 2 * len(`{"id":1}`), Room: 10},
			"endpoint": {Max: 10, MaxBytes: 1 << 20, Room: 10, Rooms: map[webhook.EndpointKey]int{
				{Tenant: "acme", ID: "ep1"}: 2,
			}},
		} {
			t.Run(name, func(t *testing.T) {
				s := laneWith(t, d, 3)
				numbers, _ := s.some(limit)
				assert.Equal(t, []string{"0", "1"}, numbers)
				assert.Equal(t, 3, s.inLane())
				numbers, _ = s.some(limit)
				assert.Equal(t, []string{"2"}, numbers)
				assert.Equal(t, 2, s.inLane())
			})
		}
	})
}

func TestManyLeasesStayInTheirLaneThoughThereAreNoMore(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		for _, n := range []int{63, 64} {
			s := laneWith(t, d, n)
			numbers, leased := s.some(webhook.ClaimRequest{Max: 100, MaxBytes: 1 << 20, Room: 100})
			require.Len(t, numbers, n)
			assert.Equal(t, map[int]int{63: 0, 64: 64}[n], s.inLane())
			numbers, _ = s.some(webhook.ClaimRequest{Max: 100, MaxBytes: 1 << 20, Room: 100})
			assert.Empty(t, numbers)
			for i := range leased {
				_, err := s.store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(leased[i])})
				require.NoError(t, err)
			}
			assert.Zero(t, s.rowsOf("queue"))
		}
	})
}

func TestALeaseInALaneWithMoreChangesNoIndexOnPostgreSQL(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	dsn := postgres.dsn(t)
	store := postgres.store(t, dsn, sqlstore.Options{})
	require.NoError(t, store.Migrate(t.Context()))
	s := newScene(t, store)
	s.endpoint("acme", "ep1")
	for i := range 100 {
		s.publish(s.event("acme", fmt.Sprint("evt", i), "ep1"))
	}
	numbers, _ := s.some(webhook.ClaimRequest{Max: 1000, MaxBytes: 1 << 20, Room: 60})
	require.Len(t, numbers, 60)
	require.NoError(t, store.DB().Close()) // a server process counts its work when its connection ends
	watch := postgres.open(t, dsn)
	await(t, func() bool {
		var all, hot int
		require.NoError(t, watch.QueryRowContext(t.Context(),
			"SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'webhook_queue'").Scan(&all, &hot))
		return all == 60 && hot == 60
	})
}
