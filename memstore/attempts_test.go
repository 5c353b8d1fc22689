package memstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

func TestWhenBytesAreShortAnAttemptIsLoggedWithoutItsBody(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxBytes: 3000})
	e1 := sized(tr.named("e1", leased("a", "b")...), 1000)
	tr.stored(e1, sized(tr.named("old1"), 600), sized(tr.named("old2"), 600))

	tr.settle(e1, "a", 1, webhook.DeliverySucceeded, &webhook.Attempt{StartedAt: start, Status: 200, ResponseBody: make([]byte, 1000)})
	assert.Equal(t, []string{"e1", "old2"}, tr.kept(), "a finished event makes room for the body")
	assert.Len(t, tr.log(webhook.Query{EventID: "e1"})[0].ResponseBody, 1000)

	tr.settle(e1, "b", 1, webhook.DeliveryFailed, &webhook.Attempt{
		StartedAt: start.Add(time.Second), Status: 500, Class: webhook.ClassStatus, Error: "500 Internal Server Error", ResponseBody: make([]byte, 1000),
	})
	got := tr.log(webhook.Query{EventID: "e1"})
	require.Len(t, got, 2)
	assert.Empty(t, got[0].ResponseBody)
	assert.True(t, got[0].Truncated, "there was more")
	got[0].Truncated, got[0].ResponseBody = false, nil
	assert.Equal(t, webhook.Attempt{
		Tenant: "acme", EventID: "e1", EventType: "member.joined", EndpointID: "b", Number: 1, StartedAt: start.Add(time.Second),
		Status: 500, Class: webhook.ClassStatus, Error: "500 Internal Server Error",
	}, got[0])
}

func TestAttemptsOfADeliveryThatIsRetriedForEverAreBounded(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxBytes: 10_000, MaxPending: 2})
	ids := tr.endpoints(2)
	e := sized(tr.named("e1", leased(ids...)...), 1000)
	tr.stored(e)
	fail := func(id string, n int64) {
		tr.settle(e, id, n, webhook.DeliveryPending, &webhook.Attempt{
			StartedAt: tr.now, Class: webhook.ClassStatus, Error: strings.Repeat("é", 1000), ResponseBody: make([]byte, 500),
		})
	}
	for n := range int64(200) {
		fail(ids[0], n+1)
		if n == 0 {
			fail(ids[1], 1)
		}
		tr.now = tr.now.Add(time.Second)
		for _, l := range tr.round() {
			if l.Endpoint.ID == ids[0] {
				require.Equal(t, int(n)+1, l.Attempts, "those that are not kept are counted")
			}
		}
	}
	kept := tr.log(webhook.Query{EventID: "e1", EndpointID: ids[0]})
	size := 0
	for i, a := range kept {
		assert.Equal(t, 200-i, a.Number, "the latest are kept, and a number is never used again")
		size += len(a.Error) + len(a.ResponseBody)
	}
	assert.NotEmpty(t, kept)
	assert.LessOrEqual(t, size, 10_000)
	assert.Len(t, tr.log(webhook.Query{EventID: "e1", EndpointID: ids[1]}), 1, "those of another delivery stay")
}

func TestALateAttemptIsLeftOutWhenBytesAreShort(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxBytes: 2000, MaxFinished: 1})
	id := tr.endpoints(1)[0]
	e := sized(tr.named("e1", leased(id)...), 1500)
	tr.stored(e)
	tr.now = start.Add(2 * time.Minute)
	l := tr.round()[0]
	tr.settle(e, id, l.LeaseNo, webhook.DeliverySucceeded, &webhook.Attempt{StartedAt: tr.now, ResponseBody: make([]byte, 100)})

	item := webhook.Settlement{
		UID: e.UID, Endpoint: l.Endpoint, LeaseNo: 1, State: webhook.DeliverySucceeded,
		Attempt: &webhook.Attempt{StartedAt: start, ResponseBody: make([]byte, 100)},
	}
	for range 2 {
		s, err := tr.Settle(t.Context(), tr.now, []webhook.Settlement{item})
		require.NoError(t, err)
		assert.Equal(t, []int{0}, s.Lost)
		kept := tr.log(webhook.Query{EventID: "e1"})
		require.Len(t, kept, 1, "its event is not dropped for it, and the later attempt stays")
		assert.Equal(t, 2, kept[0].Number, "the other one was the first")
		assert.Len(t, kept[0].ResponseBody, 100)
	}
}

func TestOtherEventsAreDroppedForALateAttempt(t *testing.T) {
	tr := newTrial(t, memstore.Options{MaxBytes: 3000})
	id := tr.endpoints(1)[0]
	e := sized(tr.named("e1", leased(id)...), 1000)
	tr.stored(e)
	tr.now = start.Add(2 * time.Minute)
	tr.settle(e, id, tr.round()[0].LeaseNo, webhook.DeliverySucceeded, nil)
	tr.stored(sized(tr.named("e2"), 1500)) // finished after e1
	_, err := tr.Settle(t.Context(), tr.now, []webhook.Settlement{{
		UID: e.UID, Endpoint: webhook.EndpointKey{Tenant: "acme", ID: id}, LeaseNo: 1, Attempt: &webhook.Attempt{ResponseBody: make([]byte, 1000)},
	}})
	require.NoError(t, err)
	assert.Equal(t, []string{"e1"}, tr.kept())
	assert.Len(t, tr.log(webhook.Query{EventID: "e1"})[0].ResponseBody, 1000)
}
