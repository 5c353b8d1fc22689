package memstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

func (tr *trial) settleAll(items ...webhook.Settlement) webhook.Settled {
	tr.t.Helper()
	s, err := tr.Settle(tr.t.Context(), tr.now, items)
	require.NoError(tr.t, err)
	return s
}

func TestALeaseThatWasGivenBackIsKnownForAWhile(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	id := tr.endpoints(1)[0]
	e := tr.named("e1", leased(id)...)
	tr.stored(e)
	item := func(n int64) webhook.Settlement {
		return webhook.Settlement{
			UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: id}, LeaseNo: n, State: webhook.DeliveryPending, DueAt: start,
		}
	}
	tr.settleAll(item(1))
	for n := int64(2); n <= 20; n++ {
		require.Equal(t, n, tr.round()[0].LeaseNo)
		require.Equal(t, []int{0}, tr.settleAll(item(n-1)).Already)
		tr.settleAll(item(n))
	}
	assert.Equal(t, []int{0, 1}, tr.settleAll(item(13), item(20)).Already)
	assert.Equal(t, []int{0, 1}, tr.settleAll(item(1), item(12)).Lost, "not for ever")
}

func TestANumberThatWasNeverALeaseIsLost(t *testing.T) {
	tr := newTrial(t, memstore.Options{})
	id := tr.endpoints(1)[0]
	tr.stored(tr.named("e1", dueAt(start, id)...))
	q := webhook.Query{Tenant: "acme", EventID: "e1", EndpointID: id}
	_, err := tr.Retry(t.Context(), q, start) // number 1
	require.NoError(t, err)
	_, err = tr.Cancel(t.Context(), q, start) // number 2
	require.NoError(t, err)
	page, err := tr.Events(t.Context(), webhook.Query{Tenant: "acme"})
	require.NoError(t, err)
	for n := range int64(4) {
		s := tr.settleAll(webhook.Settlement{UID: page.Items[0].UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: id}, LeaseNo: n})
		assert.Equal(t, []int{0}, s.Lost)
	}
}

func TestHealthIsThatOfTheRightOrder(t *testing.T) {
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	type attempt struct {
		at     int
		failed bool
	}
	for name, c := range map[string]struct {
		calls [][]attempt
		want  webhook.Health
	}{
		"a success that comes late ends the failures before it, and no later ones": {
			[][]attempt{{{10, true}}, {{30, true}}, {{20, false}}},
			webhook.Health{Failures: 1, FailingSince: at(30), LastFailureAt: at(30), RecoveredAt: at(20)},
		},
		"a failure and a success of one time end as a success": {
			[][]attempt{{{10, false}, {10, true}}},
			webhook.Health{LastFailureAt: at(10), RecoveredAt: at(10)},
		},
		"a failure that comes late was ended already": {
			[][]attempt{{{10, true}}, {{30, false}}, {{20, true}}},
			webhook.Health{LastFailureAt: at(20), RecoveredAt: at(30)},
		},
		"a failure at the time of the success before it counts": {
			[][]attempt{{{10, true}}, {{20, false}}, {{20, true}}},
			webhook.Health{Failures: 1, FailingSince: at(20), LastFailureAt: at(20), RecoveredAt: at(20)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, memstore.Options{})
			id := tr.endpoints(1)[0]
			for _, call := range c.calls {
				var items []webhook.Settlement
				for _, a := range call {
					e := tr.event("acme", leased(id)...)
					tr.stored(e)
					item := webhook.Settlement{
						UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: id}, LeaseNo: 1, State: webhook.DeliverySucceeded,
						Version: 1, Attempt: &webhook.Attempt{StartedAt: at(a.at)},
					}
					if a.failed {
						item.Attempt.Class = webhook.ClassReset
					}
					items = append(items, item)
				}
				tr.settleAll(items...)
			}
			got, err := tr.Refresh(t.Context(), []webhook.EndpointKey{{Tenant: "acme", ID: id}})
			require.NoError(t, err)
			c.want.LastClass = webhook.ClassReset
			assert.Equal(t, c.want, got[0].Health)
		})
	}
}
