package drivertest

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// through returns the DSN that leads to the same database through a proxy. Each statement is
// one message, with its text.
func (d database) through(t *testing.T, dsn string) (string, *darkProxy) {
	t.Helper()
	if d.name == mysql.name {
		config, err := mysqldriver.ParseDSN(dsn)
		require.NoError(t, err)
		p := newDarkProxy(t, config.Addr)
		config.Addr = p.address
		return config.FormatDSN(), p
	}
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	p := newDarkProxy(t, u.Host)
	u.Host = p.address
	return u.String() + simpleProtocol, p
}

// A darkness is a place where a machine is lost, and the work that another process must be
// able to do then.
type darkness struct {
	at     map[string]string // words of the last statement that reaches the server, by database
	answer int               // bytes of its answer that pass
	data   int               // bytes of an event's data
	begin  func(*scene, []webhook.Leased) error
	goesOn func(*scene, []webhook.Leased) bool
	leased bool // the deliveries are leased before
}

func on(postgres, mysql string) map[string]string {
	return map[string]string{"postgres": postgres, "mysql": mysql}
}

// claimOnce claims, and returns how many it got.
func claimOnce(s *scene) (int, error) {
	c, err := s.store.Claim(s.Context(), webhook.ClaimRequest{
		Now: s.now, LeaseUntil: s.now.Add(time.Minute), Max: 1000, MaxBytes: 1 << 30, Room: 1000,
	})
	return len(c.Deliveries), err
}

func failed(s *scene, l webhook.Leased) webhook.Settlement {
	item := s.succeeded(l)
	item.State, item.DueAt, item.Failures = webhook.DeliveryPending, s.now.Add(time.Hour), 1
	item.Attempt.Status, item.Attempt.Class = 500, webhook.ClassStatus
	return item
}

var darknesses = map[string]darkness{
	"claim": {
		at: on(`SET lane = '00000000-0000-0000-0000-000000000000'`, ", lane = x'0000"),
		begin: func(s *scene, _ []webhook.Leased) error {
			_, err := claimOnce(s)
			return err
		},
		goesOn: claimsBoth,
	},
	"claim, while the events are read": {
		at: on("e.keep, e.data", "e.keep, e.data"), answer: 64 << 10, data: 7 << 20,
		begin: func(s *scene, _ []webhook.Leased) error {
			_, err := claimOnce(s)
			return err
		},
		goesOn: claimsBoth,
	},
	"settle": {
		at: on(`UPDATE "webhook_status"`, "STRAIGHT_JOIN `webhook_status`"), leased: true,
		begin: func(s *scene, leased []webhook.Leased) error {
			_, err := s.store.Settle(s.Context(), s.now, []webhook.Settlement{failed(s, leased[0])})
			return err
		},
		goesOn: func(s *scene, leased []webhook.Leased) bool {
			out, err := s.store.Settle(s.Context(), s.now, []webhook.Settlement{failed(s, leased[1])})
			return err == nil && len(out.Failed) == 0
		},
	},
	"prune": {
		at: on(`DELETE FROM "webhook_attempts"`, "FROM `webhook_attempts`"), leased: true,
		begin: func(s *scene, leased []webhook.Leased) error {
			if _, err := s.store.Settle(s.Context(), s.now, []webhook.Settlement{s.succeeded(leased[0]), s.succeeded(leased[1])}); err != nil {
				return err
			}
			s.now = s.now.Add(100 * day)
			_, err := s.store.Prune(s.Context(), s.now, webhook.Retention{})
			return err
		},
		goesOn: func(s *scene, _ []webhook.Leased) bool {
			s.now = s.now.Add(100 * day)
			if _, err := s.store.Prune(s.Context(), s.now, webhook.Retention{}); err != nil {
				return false
			}
			return s.rowsOf("events") == 0
		},
	},
}

func claimsBoth(s *scene, _ []webhook.Leased) bool {
	n, err := claimOnce(s)
	return err == nil && n == 2
}

// A machine that vanishes closes no connection. Its transactions must not hold their locks
// until the server's TCP finds out.
func TestWhatAVanishedMachineHoldsIsFreeAfterFifteenSeconds(t *testing.T) {
	onlyInCI(t)
	eachServer(t, func(t *testing.T, d database) {
		for name, dark := range darknesses {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dsn := d.dsn(t)
				s := newScene(t, d.store(t, dsn, sqlstore.Options{}))
				require.NoError(t, s.store.Migrate(t.Context()))
				s.endpoint("acme", "ep1")
				events := []webhook.EventRecord{s.event("acme", "evt1", "ep1"), s.event("acme", "evt2", "ep1")}
				for i := range events {
					events[i].Data = []byte(`"` + strings.Repeat("x", dark.data) + `"`)
					s.publish(events[i])
				}
				var leased []webhook.Leased
				if dark.leased {
					leased = s.claim()
					require.Len(t, leased, 2)
				}

				far, proxy := d.through(t, dsn)
				lost := newScene(t, d.store(t, far, sqlstore.Options{}))
				proxy.darkenAt(dark.at[d.name], dark.answer)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- dark.begin(lost.as(ctx), leased) }()
				select {
				case <-proxy.dark:
				case err := <-ended:
					require.Fail(t, "it ends before the proxy is dark", "%v", err)
				}
				began := time.Now()
				assert.False(t, dark.goesOn(s, leased), "the other's transaction holds it")
				require.Eventually(t, func() bool { return dark.goesOn(s, leased) }, 2*long, 100*time.Millisecond)
				t.Logf("free after %v", time.Since(began).Round(100*time.Millisecond))
				cancel()
				require.Error(t, <-ended)
			})
		}
	})
}

// The settings that bound the Store's transactions end with them: the application's use of the
// same connection has its own.
func TestTheSettingsOfASessionStayTheApplications(t *testing.T) {
	onlyWithoutRaceDetector(t)
	own := map[string][]string{
		postgres.name: {"lock_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout", "enable_seqscan", "transaction_isolation"},
		mysql.name: {
			"@@idle_write_transaction_timeout", "@@idle_readonly_transaction_timeout", "@@net_write_timeout", "@@innodb_lock_wait_timeout",
			"@@wait_timeout", "@@tx_isolation",
		},
	}
	eachServer(t, func(t *testing.T, d database) {
		store := d.store(t, d.dsn(t), sqlstore.Options{})
		db := store.DB()
		db.SetMaxOpenConns(1)
		exec := func(query string) {
			t.Helper()
			_, err := db.ExecContext(t.Context(), query)
			require.NoError(t, err)
		}
		settings := func() (values []string) {
			t.Helper()
			for _, name := range own[d.name] {
				query, value := "SHOW "+name, ""
				if d.name == mysql.name {
					query = "SELECT " + name
				}
				require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&value))
				values = append(values, value)
			}
			return values
		}
		if d.name == mysql.name {
			exec("SET SESSION idle_write_transaction_timeout = 77, innodb_lock_wait_timeout = 33, wait_timeout = 1234")
		} else {
			exec("SET idle_in_transaction_session_timeout = 77000")
		}
		before := settings()
		require.NoError(t, store.Migrate(t.Context()))
		assert.Equal(t, before, settings(), "Migrate")
		s := newScene(t, store)
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		s.deliver()
		assert.Equal(t, before, settings(), "transactions that were committed")
		_, err := store.Retry(t.Context(), webhook.Query{Tenant: "acme", EndpointID: "ep1", EventID: "evt1"}, s.now)
		require.NoError(t, err)
		require.Error(t, store.CreateEndpoint(t.Context(), webhook.Endpoint{Tenant: "acme", ID: "ep1"}, 0))
		assert.Equal(t, before, settings(), "one that was rolled back")
	})
}
