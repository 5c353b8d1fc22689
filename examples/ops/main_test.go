package main

import (
	"bytes"
	"context"
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/examples/internal/database"
	"github.com/gowebhook/webhook/webhooktest"
)

// A shop is an application with three endpoints, of which sick has been failing for two hours.
type shop struct {
	*testing.T
	*webhook.Dispatcher
	name  string // of its database
	store webhook.Store
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{T: t, name: filepath.Join(t.TempDir(), "shop.db")}
	store, closeStore, err := database.Open(t.Context(), s.name)
	require.NoError(t, err)
	t.Cleanup(closeStore)
	s.store = store
	s.Dispatcher, err = webhook.New(store, webhook.Config{Transport: &webhooktest.Transport{}})
	require.NoError(t, err)
	for _, id := range []string{"sick", "own"} {
		s.endpoint("acme", id)
	}
	s.endpoint("beta", "well")
	s.fail("acme", "sick")
	return s
}

func (s *shop) endpoint(tenant, id string) {
	s.Helper()
	_, err := s.Tenant(tenant).CreateEndpoint(s.Context(), webhook.Endpoint{ID: id, URL: "https://" + id + ".example/", Events: []string{id + ".*"}})
	require.NoError(s, err)
}

// fail emits an event, and settles its delivery with a failure two hours ago.
func (s *shop) fail(tenant, id string) {
	s.Helper()
	_, err := s.Emit(s.Context(), webhook.Event{Tenant: tenant, Type: id + ".paid", Data: 1})
	require.NoError(s, err)
	now := time.Now().UTC().Truncate(time.Microsecond)
	c, err := s.store.Claim(s.Context(), webhook.ClaimRequest{Now: now, LeaseUntil: now.Add(time.Minute), Max: 10, MaxBytes: 1 << 20, Room: 10})
	require.NoError(s, err)
	require.Len(s, c.Deliveries, 1)
	l, began := c.Deliveries[0], now.Add(-2*time.Hour)
	out, err := s.store.Settle(s.Context(), now, []webhook.Settlement{{
		UID: l.UID, Endpoint: l.Endpoint, LeaseNo: l.LeaseNo, Version: l.Version, State: webhook.DeliveryFailed, Reason: webhook.ReasonExhausted,
		Failures: 1, Status: webhook.HealthFailing, FailingSince: began,
		Attempt: &webhook.Attempt{Tenant: tenant, EndpointID: id, EventID: c.Events[0].ID, StartedAt: began, Class: webhook.ClassStatus, Status: 503},
	}})
	require.NoError(s, err)
	require.Empty(s, out.Failed)
}

// states returns the state and reason of each endpoint.
func (s *shop) states() map[string]string {
	s.Helper()
	page, err := s.AllTenants().Endpoints(context.Background(), webhook.Query{})
	require.NoError(s, err)
	states := map[string]string{}
	for i := range page.Items {
		states[page.Items[i].ID] = stateOf(&page.Items[i])
	}
	return states
}

// ops runs the command on the database of the shop, and returns the words of each line.
func (s *shop) ops(args ...string) (lines []string) {
	s.Helper()
	var out bytes.Buffer
	require.NoError(s, run(s.Context(), append([]string{"-database", s.name}, args...), noEnv, &out))
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

func noEnv(string) string { return "" }

func TestFailingListsTheEndpointsThatFail(t *testing.T) {
	s := newShop(t)
	lines := s.ops("failing")
	require.Len(t, lines, 2)
	assert.Regexp(t, `^acme sick active failing 2h0m\d+s 1 503 - https://sick\.example/$`, lines[1])
	assert.Len(t, s.ops("failing", "-disabling"), 1)
	assert.Len(t, s.ops("failing", "-tenant", "beta"), 1)
}

func TestAttemptsListsTheLatestFailures(t *testing.T) {
	s := newShop(t)
	assert.Len(t, s.ops("attempts"), 1, "it failed two hours ago")
	lines := s.ops("attempts", "-since", "3h")
	require.Len(t, lines, 2)
	assert.Regexp(t, `^\S+Z acme sick \S+ 1 http_status 503$`, lines[1])
	assert.Equal(t, lines, s.ops("attempts", "-since", "3h", "-class", "http_status", "-status", "503"))
	assert.Len(t, s.ops("attempts", "-since", "3h", "-class", "timeout"), 1)
	s.fail("acme", "own")
	lines = s.ops("attempts", "-since", "3h", "-most", "1")
	require.Len(t, lines, 3)
	assert.Equal(t, "…and more: use -most", lines[2])
}

func TestStatsCountsDeliveriesAndEndpoints(t *testing.T) {
	s := newShop(t)
	_, err := s.Emit(t.Context(), webhook.Event{Tenant: "beta", Type: "well.paid", Data: 1})
	require.NoError(t, err)
	lines := s.ops("stats")
	for _, want := range []string{"deliveries due 1", "in flight 0", "endpoints active 3", "paused 0", "failing 1"} {
		assert.Contains(t, lines, want)
	}
}

func TestPauseAndResumeLeaveTheCustomersPauseAlone(t *testing.T) {
	s := newShop(t)
	own, err := s.Tenant("acme").Endpoint(t.Context(), "own")
	require.NoError(t, err)
	own.State = webhook.EndpointPaused
	_, err = s.Tenant("acme").UpdateEndpoint(t.Context(), own)
	require.NoError(t, err)

	assert.Equal(t, []string{"paused 1 endpoints"}, s.ops("pause", "-failing"))
	assert.Equal(t, map[string]string{"sick": "paused (operator)", "own": "paused", "well": "active"}, s.states())
	assert.Equal(t, []string{"paused 1 endpoints"}, s.ops("pause", "-tenant", "beta"))
	assert.Equal(t, []string{"paused 0 endpoints"}, s.ops("pause", "-all"))
	assert.Equal(t, []string{"resumed 2 endpoints"}, s.ops("resume", "-all"))
	assert.Equal(t, map[string]string{"sick": "active", "own": "paused", "well": "active"}, s.states())
}

func TestReplayCountsAndThenStartsAJob(t *testing.T) {
	s := newShop(t)
	assert.Equal(t, []string{"matched 1"}, s.ops("replay", "-since", "1h", "-dry-run"))
	lines := s.ops("replay", "-tenant", "acme", "-endpoint", "sick", "-since", "1h", "-rate", "5")
	require.Len(t, lines, 2)
	jobs, err := s.Tenant("acme").Replays(t.Context(), webhook.Query{})
	require.NoError(t, err)
	require.Len(t, jobs.Items, 1)
	assert.Equal(t, "job "+jobs.Items[0].ID, lines[1])
	assert.InDelta(t, 5, jobs.Items[0].Request.Rate, 0)
	assert.Equal(t, []webhook.DeliveryState{webhook.DeliveryFailed}, jobs.Items[0].Request.States, "none that was canceled")
}

func TestMistakesAreRefusedAndChangeNothing(t *testing.T) {
	s := newShop(t)
	missing := filepath.Join(t.TempDir(), "typing-error.db")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":         {[]string{"-database", s.name}, "use stats, failing"},
		"unknown command":    {[]string{"-database", s.name, "stop"}, `"stop"`},
		"no database":        {[]string{"stats"}, "-database"},
		"no such file":       {[]string{"-database", missing, "stats"}, "no such file"},
		"memory":             {[]string{"-database", "memory", "stats"}, "-database"},
		"pause everything":   {[]string{"-database", s.name, "pause"}, "Query.All"},
		"all and a tenant":   {[]string{"-database", s.name, "pause", "-all", "-tenant", "acme"}, "Query.All"},
		"an argument":        {[]string{"-database", s.name, "stats", "now"}, `"now"`},
		"an id of no tenant": {[]string{"-database", s.name, "pause", "-endpoint", "sick"}, "-tenant"},
		"replay of all time": {[]string{"-database", s.name, "replay"}, "-since"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), c.args, noEnv, new(bytes.Buffer))
			require.ErrorContains(t, err, c.want)
		})
	}
	assert.NoFileExists(t, missing)
	assert.Equal(t, map[string]string{"sick": "active", "own": "active", "well": "active"}, s.states())
}

func TestHelpDoesNotPrintTheDatabaseOfTheEnvironment(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"-help"}, func(string) string { return "postgres://user:password@host/db" }, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	assert.Contains(t, out.String(), "replay")
	assert.NotContains(t, out.String(), "password")
}
