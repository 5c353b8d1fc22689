package drivertest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// refusals are the errors by which a database refuses a transaction because of another one.
var refusals = map[string][]error{
	"postgres": {&pgconn.PgError{Code: "40001"}, &pgconn.PgError{Code: "40P01"}},
	"mysql":    {&mysqldriver.MySQLError{Number: 1213}, fmt.Errorf("wrapped: %w", &mysqldriver.MySQLError{Number: 1213})},
}

// eachServer runs a test on the databases that refuse transactions because of others.
func eachServer(t *testing.T, test func(t *testing.T, d database)) {
	t.Helper()
	eachOf(t, []database{postgres, mysql}, test)
}

func TestATransactionThatWasRefusedIsRunAgain(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		s.endpoint("acme", "ep1")
		refused := refusals[d.name]
		for _, at := range []string{"INSERT", "COMMIT"} {
			for _, newID := range []bool{false, true} {
				e := s.event("acme", "publish"+at, "ep1")
				e.ID, e.NewID = e.UID.String(), newID
				sab.sabotage(failing(at, fault{err: refused[0]}, fault{err: refused[1]}))
				s.publish(e)
				if at == "COMMIT" && newID && d.name == postgres.name {
					continue // it is one statement, which commits by itself
				}
				assert.Greater(t, len(sab.taken()), 2)
			}
		}
		assert.Equal(t, 4, s.rowsOf("queue"))

		sab.sabotage(failing("UPDATE", fault{err: refused[0]}))
		leased := s.claim()
		require.Len(t, leased, 4)
		assert.NotEmpty(t, sab.taken())
		for i, l := range leased {
			sab.sabotage(failing([]string{"DELETE", "INSERT", "FOR UPDATE", "COMMIT"}[i], fault{err: refused[i%2]}))
			out, err := store.Settle(t.Context(), s.now, []webhook.Settlement{s.succeeded(l)})
			require.NoError(t, err)
			assert.Empty(t, out.Already)
			assert.Empty(t, out.Lost)
			sab.sabotage(nil)
		}
		assert.Equal(t, 4, s.rowsOf("attempts"))
		assert.Equal(t, 4, s.rowsOf("deliveries"))

		sab.sabotage(failing("COMMIT", fault{err: refused[0]}))
		s.endpoint("acme", "ep2")
		sab.sabotage(failing("DELETE", fault{err: refused[0]}))
		require.NoError(t, store.DeleteEndpoint(t.Context(), webhook.EndpointKey{Tenant: "acme", ID: "ep2"}, 0, s.now))
		sab.sabotage(nil)
		assert.Equal(t, 1, s.rowsOf("endpoints"))
	})
}

func TestATransactionThatIsAlwaysRefusedFails(t *testing.T) {
	onlyWithoutRaceDetector(t)
	eachServer(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		for _, refused := range refusals[d.name] {
			sab.sabotage(func(step string) fault {
				if strings.Contains(strings.Replace(step, "READ COMMITTED", "", 1), "COMMIT") {
					return fault{err: refused}
				}
				return fault{}
			})
			_, err := store.Publish(t.Context(), s.request(s.event("acme", "evt1")))
			require.ErrorIs(t, err, refused)
			sab.sabotage(nil)
			assert.Empty(t, s.rows())
		}
	})
}

// variety is a request with each kind of row.
func (s *scene) variety(newID bool) webhook.PublishRequest {
	events := []webhook.EventRecord{
		s.event("acme", "two", "ep1", "ep2"), s.event("acme", "outbox"), s.event("acme", "none"), s.event("acme", "over", "ep1"),
	}
	events[1].Deliveries = nil
	events[3].Deliveries[0].State = webhook.DeliverySucceeded
	events[3].Deliveries[0].Attempt = &webhook.Attempt{StartedAt: s.now, Status: 200, ResponseBody: []byte("ok"), Test: true}
	for i := range events {
		events[i].NewID = newID
	}
	return s.request(events...)
}

var (
	ofVariety = map[string]int{"events": 4, "outbox": 1, "queue": 2, "deliveries": 1, "attempts": 1, "bodies": 1}
	published = []webhook.Published{{Deliveries: 2}, {}, {}, {Deliveries: 1}}
)

func TestAPublishWhoseCommitIsUncertainIsResolved(t *testing.T) {
	onlyWithoutRaceDetector(t)
	for name, lost := range map[string]fault{
		"committed":     {err: io.ErrUnexpectedEOF, after: true, drop: true},
		"not committed": {err: io.ErrUnexpectedEOF, drop: true},
		"committed, and the answer to the repetition is lost": {err: driver.ErrBadConn, after: true, drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, d database) {
				store, sab := d.sabotaged(t)
				s := newScene(t, store)
				for _, newID := range []bool{true, false} {
					req := s.variety(newID)
					if errors.Is(lost.err, driver.ErrBadConn) {
						sab.sabotage(failing("COMMIT", lost, lost))
					} else {
						sab.sabotage(failing("COMMIT", lost))
					}
					results, err := store.Publish(t.Context(), req)
					require.NoError(t, err)
					sab.sabotage(nil)
					if !anyHeld(results) {
						assert.Equal(t, published, results)
					}
					s.publishHeld(req, results)
					assert.Equal(t, ofVariety, s.rows())
					results, err = store.Publish(t.Context(), req)
					require.NoError(t, err)
					for i, r := range results {
						assert.Equal(t, webhook.Published{Duplicate: true}, r, i)
					}
					assert.Equal(t, ofVariety, s.rows())
					empty(t, store.DB(), s.prefix)
				}
			})
		})
	}
}

// Some of the request were there before, and some have an id that others use for something else.
func TestAnUncertainCommitTellsDuplicatesApart(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		s.publish(s.event("acme", "old"), s.event("acme", "other"))
		other := s.event("acme", "other")
		other.Data = []byte(`2`)
		fresh := s.event("acme", "new", "ep1")
		again := s.event("acme", "new", "ep1")
		sab.sabotage(failing("COMMIT", fault{err: io.ErrUnexpectedEOF, after: true, drop: true}))
		results, err := store.Publish(t.Context(), s.request(s.event("acme", "old"), other, fresh, again))
		require.NoError(t, err)
		assert.Equal(t, []webhook.Published{
			{Duplicate: true}, {Err: webhook.ErrConflict}, {Deliveries: 1}, {Duplicate: true},
		}, results)
		assert.Equal(t, map[string]int{"events": 3, "queue": 1}, s.rows())
	})
}

// anyHeld reports whether another transaction holds the id of an event. The other transaction
// may belong to a lost connection, until the server has noticed.
func anyHeld(results []webhook.Published) bool {
	return slices.ContainsFunc(results, func(p webhook.Published) bool { return p.Held })
}

// publishHeld repeats a request until no transaction holds an id, and returns the last results.
func (s *scene) publishHeld(req webhook.PublishRequest, results []webhook.Published) []webhook.Published {
	s.Helper()
	for anyHeld(results) {
		var err error
		results, err = s.store.Publish(s.Context(), req)
		require.NoError(s, err)
	}
	return results
}

func TestAConnectionLostInPublishLeavesNothingHalf(t *testing.T) {
	onlyWithoutRaceDetector(t)
	lost := []error{driver.ErrBadConn, io.ErrUnexpectedEOF, &pgconn.PgError{Code: "57P01"}}
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		for _, newID := range []bool{true, false} {
			for n, reached := 0, true; reached; n++ {
				require.Less(t, n, 50)
				for _, after := range []bool{false, true} {
					req := s.variety(newID)
					reached = false
					f := fault{err: lost[n%len(lost)], drop: true, after: after, then: func() { reached = true }}
					sab.sabotage(failingNth(n, f))
					results, err := store.Publish(t.Context(), req)
					steps := sab.taken()
					held := anyHeld(results)
					if err == nil && !held {
						assert.Equal(t, published, results)
					} else {
						require.NotErrorIs(t, err, context.Canceled)
					}
					if rows := s.rows(); !held && (err == nil || len(rows) > 0) {
						require.Equal(t, ofVariety, rows, "%d %s", n, steps)
					}
					results, err = store.Publish(t.Context(), req)
					require.NoError(t, err)
					results = s.publishHeld(req, results)
					require.Len(t, results, len(req.Events))
					for i, r := range results {
						assert.NoError(t, r.Err, i)
					}
					assert.Equal(t, ofVariety, s.rows(), "repeating it is safe")
					empty(t, store.DB(), s.prefix)
				}
			}
		}
	})
}

// After a failover every connection in the pool is dead. That is not the caller's problem:
// nothing has been sent yet.
func TestAConnectionThatDiedInThePoolIsReplaced(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		store, sab := d.sabotaged(t)
		s := newScene(t, store)
		sab.sabotage(failing("BEGIN", fault{err: driver.ErrBadConn, drop: true}))
		s.publish(s.event("acme", "evt1"))
		sab.sabotage(failingNth(0, fault{err: driver.ErrBadConn, drop: true}))
		_, err := store.Stats(t.Context(), s.now)
		assert.NoError(t, err)
	})
}
