package drivertest

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestASettleWhoseCommitIsUncertainTakesEffectOnce(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"), s.event("acme", "evt2", "ep1"))
		leased := s.claim()
		require.Len(t, leased, 2)
		failed := s.succeeded(leased[1])
		failed.State, failed.DueAt, failed.Failures, failed.Attempt.Class = webhook.DeliveryPending, s.now.Add(time.Hour), 1, webhook.ClassReset
		failed.Attempt.StartedAt = s.now.Add(time.Millisecond)
		sab.sabotage(failing("COMMIT", fault{err: io.ErrUnexpectedEOF, after: true, drop: true}))
		out, err := store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(leased[0]), failed})
		require.NoError(t, err)
		assert.Empty(t, out.Lost)
		sab.sabotage(nil)
		assert.Equal(t, 2, s.rowsOf("attempts"))
		page, err := store.Endpoints(t.Context(), webhook.Query{Tenant: "acme"})
		require.NoError(t, err)
		assert.Equal(t, 1, page.Items[0].Health.Failures)
		deliveries, err := store.Deliveries(t.Context(), webhook.Query{Tenant: "acme"}, s.now)
		require.NoError(t, err)
		for _, delivery := range deliveries.Items {
			assert.Equal(t, 1, delivery.Attempts)
		}
	})
}

// Whoever is told ErrConflict or ErrNotFound thinks that it was somebody else.
func TestAnUncertainCommitIsNotTakenForSomebodyElse(t *testing.T) {
	onlyWithoutRaceDetector(t)
	key := webhook.EndpointKey{Tenant: "acme", ID: "ep1"}
	for name, call := range map[string]func(s *scene) error{
		"CreateEndpoint": func(s *scene) error {
			e := webhook.Endpoint{
				Tenant: "acme", ID: "ep9", URL: "https://example.com", Events: []string{"*"}, State: webhook.EndpointActive, Version: 1,
				CreatedAt: s.now, UpdatedAt: s.now,
			}
			return s.store.CreateEndpoint(s.Context(), e, 10)
		},
		"UpdateEndpoint": func(s *scene) error {
			page, err := s.store.Endpoints(s.Context(), webhook.Query{Tenant: "acme"})
			require.NoError(s, err)
			_, err = s.store.UpdateEndpoint(s.Context(), page.Items[0])
			return err
		},
		"DeleteEndpoint": func(s *scene) error { return s.store.DeleteEndpoint(s.Context(), key, 0, s.now) },
		"Cancel": func(s *scene) error {
			_, err := s.store.Cancel(s.Context(), webhook.Query{Tenant: "acme", EventID: "evt1", EndpointID: "ep1"}, s.now)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, d database) {
				store, sab := d.sabotaged(t)
				s := newScene(t, store)
				s.endpoint("acme", "ep1")
				s.publish(s.event("acme", "evt1", "ep1"))
				sab.sabotage(failing("COMMIT", fault{err: io.ErrUnexpectedEOF, after: true, drop: true}))
				err := call(s)
				for _, wrong := range []error{webhook.ErrConflict, webhook.ErrNotFound, webhook.ErrFull} {
					assert.NotErrorIs(t, err, wrong)
				}
			})
		})
	}
}

func TestAClaimWhoseCommitIsUncertainFails(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		sab.sabotage(failing("COMMIT", fault{err: io.ErrUnexpectedEOF, after: true, drop: true}))
		_, err := store.Claim(t.Context(), webhook.ClaimRequest{
			Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 10, MaxBytes: 1 << 20, Room: 10,
		})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Empty(t, s.claim(), "the lease may be somebody's")
		s.now = s.now.Add(time.Minute + 6*time.Second)
		assert.Len(t, s.claim(), 1)
	})
}

// BEGIN IMMEDIATE is a statement, and the one connection that writes stays in the pool with
// any outcome.
func TestAnUncertainBeginDoesNotStopSQLite(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	for name, f := range map[string]fault{"begun": {err: errStopped, after: true}, "not begun": {err: errStopped}} {
		t.Run(name, func(t *testing.T) {
			store, sab := sqlite.sabotaged(t)
			s := newScene(t, store)
			sab.sabotage(failing("BEGIN", f))
			_, err := store.Publish(t.Context(), s.request(s.event("acme", "evt1")))
			require.ErrorIs(t, err, errStopped)
			s.publish(s.event("acme", "evt1"))
		})
	}
}

func TestACommitThatFailedInSQLiteIsRolledBack(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Parallel()
	store, sab := sqlite.sabotaged(t)
	s := newScene(t, store)
	sab.sabotage(failing("COMMIT", fault{err: errStopped}))
	_, err := store.Publish(t.Context(), s.request(s.event("acme", "evt1")))
	require.ErrorIs(t, err, errStopped)
	assert.Empty(t, s.rows())
	s.publish(s.event("acme", "evt1"))
}
