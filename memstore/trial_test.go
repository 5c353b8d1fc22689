package memstore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// A trial is a Store on which single steps are tried out.
type trial struct {
	*memstore.Store
	maker
	t *testing.T
}

func newTrial(t *testing.T, o memstore.Options) *trial {
	return &trial{Store: memstore.New(o), maker: maker{now: start}, t: t}
}

// named makes an event with an id.
func (tr *trial) named(id string, rows ...webhook.NewDelivery) webhook.EventRecord {
	e := tr.event("acme", rows...)
	e.ID, e.NewID = id, false
	if rows == nil {
		e.Deliveries = []webhook.NewDelivery{}
	}
	return e
}

func (tr *trial) outbox(id string) webhook.EventRecord {
	e := tr.named(id)
	e.Deliveries = nil
	return e
}

func leased(endpoints ...string) []webhook.NewDelivery {
	var rows []webhook.NewDelivery
	for _, id := range endpoints {
		rows = append(rows, webhook.NewDelivery{EndpointID: id, Version: 1, Leased: true})
	}
	return rows
}

func (tr *trial) publish(events ...webhook.EventRecord) []webhook.Published {
	tr.t.Helper()
	results, err := tr.Publish(tr.t.Context(), webhook.PublishRequest{Now: tr.now, LeaseUntil: tr.now.Add(time.Minute), Events: events})
	require.NoError(tr.t, err)
	return results
}

// stored publishes events that must be stored.
func (tr *trial) stored(events ...webhook.EventRecord) {
	tr.t.Helper()
	for i, r := range tr.publish(events...) {
		require.NoError(tr.t, r.Err, events[i].ID)
		require.False(tr.t, r.Duplicate)
	}
}

// refused publishes an event that must not be stored, for want of room.
func (tr *trial) refused(e webhook.EventRecord) {
	tr.t.Helper()
	require.Equal(tr.t, []webhook.Published{{Err: webhook.ErrFull}}, tr.publish(e))
	require.NotContains(tr.t, tr.kept(), e.ID)
}

func (tr *trial) settle(e webhook.EventRecord, endpoint string, leaseNo int64, state webhook.DeliveryState, a *webhook.Attempt) {
	tr.t.Helper()
	s, err := tr.Settle(tr.t.Context(), tr.now, []webhook.Settlement{{
		UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: e.Tenant, ID: endpoint}, LeaseNo: leaseNo, State: state, DueAt: tr.now, Attempt: a,
	}})
	require.NoError(tr.t, err)
	require.Empty(tr.t, s.Lost)
	require.Empty(tr.t, s.Already)
}

func (tr *trial) succeed(e webhook.EventRecord, endpoint string) {
	tr.t.Helper()
	tr.settle(e, endpoint, 1, webhook.DeliverySucceeded, nil)
}

// kept returns the ids of the events that are stored, the oldest first.
func (tr *trial) kept() []string {
	tr.t.Helper()
	var ids []string
	for q := (webhook.Query{AllTenants: true, Limit: 1000}); ; {
		page, err := tr.Events(tr.t.Context(), q)
		require.NoError(tr.t, err)
		for _, e := range page.Items {
			ids = append(ids, e.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			slices.Reverse(ids)
			return ids
		}
	}
}

func (tr *trial) log(q webhook.Query) []webhook.Attempt {
	tr.t.Helper()
	q.Tenant, q.Limit = "acme", 1000
	page, err := tr.Attempts(tr.t.Context(), q)
	require.NoError(tr.t, err)
	return page.Items
}

// round claims all due deliveries.
func (tr *trial) round() []webhook.Leased {
	tr.t.Helper()
	var all []webhook.Leased
	req := webhook.ClaimRequest{Now: tr.now, LeaseUntil: tr.now.Add(time.Minute), Max: 100, MaxBytes: 1 << 30, Room: 1 << 30}
	for {
		c, err := tr.Claim(tr.t.Context(), req)
		require.NoError(tr.t, err)
		all = append(all, c.Deliveries...)
		if req.Cursor = c.Next; req.Cursor == "" {
			return all
		}
	}
}

func (tr *trial) endpoints(n int) []string {
	tr.t.Helper()
	return create(tr.t, tr.Store, "acme", n)
}

func sized(e webhook.EventRecord, n int) webhook.EventRecord {
	e.Data = []byte(strings.Repeat("x", n-len(e.Tenant)-len(e.ID)-len(e.Type)))
	return e
}
