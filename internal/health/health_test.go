package health

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

var base = time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)

func after(seconds int) time.Time { return base.Add(time.Duration(seconds) * time.Second) }

func failure(at int) *webhook.Settlement {
	return &webhook.Settlement{Attempt: &webhook.Attempt{StartedAt: after(at), Class: webhook.ClassReset}}
}

func success(at int) *webhook.Settlement {
	return &webhook.Settlement{Attempt: &webhook.Attempt{StartedAt: after(at)}}
}

// apply applies an edit to the health of an active endpoint.
func apply(e Edit, h *webhook.Health) webhook.Reason {
	reason, _ := e.Apply(Endpoint{Health: h, Told: new(Told), State: webhook.EndpointActive}, after(0))
	return reason
}

func merged(h webhook.Health, items ...*webhook.Settlement) webhook.Health {
	for _, item := range items {
		apply(Edit{Item: item, Merge: true}, &h)
	}
	h.LastClass = "" // TestTheLatestFailureIsKept
	return h
}

func TestFailuresAreCountedSinceTheFirst(t *testing.T) {
	h := merged(webhook.Health{}, failure(2), failure(3), failure(1))
	assert.Equal(t, webhook.Health{Failures: 3, FailingSince: after(1), LastFailureAt: after(3)}, h)
}

func TestASuccessEndsARunOfFailures(t *testing.T) {
	h := merged(webhook.Health{}, failure(1), failure(2), success(3))
	assert.Equal(t, webhook.Health{LastFailureAt: after(2), RecoveredAt: after(3)}, h)
	assert.Equal(t, webhook.Health{Failures: 1, FailingSince: after(4), LastFailureAt: after(4), RecoveredAt: after(3)}, merged(h, failure(4)))
}

func TestASuccessOfAnEndpointThatIsWellChangesNothing(t *testing.T) {
	for _, h := range []webhook.Health{{}, {LastFailureAt: after(1), RecoveredAt: after(2)}, {BlockedUntil: after(9)}} {
		assert.Equal(t, h, merged(h, success(5)))
		assert.False(t, Failing(&h))
	}
}

// Several processes settle attempts in another order than they began them.
func TestWhatComesLateDoesNotTurnTheOrderRound(t *testing.T) {
	recovered := merged(webhook.Health{}, failure(1), success(3))
	assert.Equal(t, recovered, merged(recovered, failure(1)), "a failure before the recovery")
	assert.Equal(t, after(2), merged(recovered, failure(2)).LastFailureAt)
	assert.Zero(t, merged(recovered, failure(2)).Failures)

	failing := merged(webhook.Health{}, failure(5), failure(6))
	assert.Equal(t, failing, merged(failing, success(4)), "a success before the run of failures")
	assert.Equal(t, webhook.Health{Failures: 1, FailingSince: after(6), LastFailureAt: after(6), RecoveredAt: after(5)}, merged(failing, success(5)),
		"a success amid them: of those since, only the last is known")
	assert.Equal(t, after(6), merged(failing, success(6)).RecoveredAt, "at the same time the success comes last")
	assert.Zero(t, merged(failing, success(6)).Failures)
}

func TestASuccessClosesACircuitAndItsBlock(t *testing.T) {
	open := webhook.Health{Circuit: true, BlockedUntil: after(60)}
	assert.True(t, Failing(&open))
	assert.Equal(t, webhook.Health{RecoveredAt: after(1)}, merged(open, success(1)))
	asked := merged(webhook.Health{BlockedUntil: after(60)}, failure(1), success(2))
	assert.Equal(t, after(60), asked.BlockedUntil, "a block that the receiver asked for stays")
}

func TestAnEditActsOnlyIfItIsInEffect(t *testing.T) {
	item := failure(1)
	item.BlockUntil, item.OpenCircuit, item.Disable = after(60), true, webhook.ReasonGone
	require.True(t, Acts(item))
	var h webhook.Health
	assert.Empty(t, apply(Edit{Item: item}, &h))
	assert.Zero(t, h)
	assert.Equal(t, webhook.ReasonGone, apply(Edit{Item: item, Act: true}, &h))
	assert.Equal(t, webhook.Health{BlockedUntil: after(60), Circuit: true}, h)
	item.BlockUntil, item.OpenCircuit = after(30), false
	apply(Edit{Item: item, Act: true}, &h)
	assert.Equal(t, webhook.Health{BlockedUntil: after(60), Circuit: true}, h, "a block is moved only forward")

	assert.False(t, Acts(failure(1)))
	for _, one := range []webhook.Settlement{{BlockUntil: after(1)}, {OpenCircuit: true}, {Disable: webhook.ReasonGone}, {Status: webhook.HealthFailing}, {Holds: 1}, {Throttles: 1}} {
		assert.True(t, Acts(&one))
	}
}

func TestAnEndpointFailsByItsOwnAttemptsWithAClass(t *testing.T) {
	assert.Nil(t, FailuresOf(nil))
	assert.Nil(t, FailuresOf([]webhook.Settlement{{}, *success(1)}))
	bad, good := *failure(2), *success(1)
	bad.Endpoint.ID, good.Endpoint.ID = "bad", "good"
	failures := FailuresOf([]webhook.Settlement{{}, good, bad, good})
	assert.Equal(t, Failures{{ID: "bad"}: true}, failures)

	healthy, failing := &webhook.Health{}, &webhook.Health{Failures: 1}
	assert.True(t, failures.Changes(Edit{Item: &bad, Merge: true}, healthy))
	assert.False(t, failures.Changes(Edit{Item: &bad}, healthy))
	assert.False(t, failures.Changes(Edit{Item: &good, Merge: true}, healthy))
	assert.True(t, failures.Changes(Edit{Item: &good, Merge: true}, failing))
	assert.True(t, failures.Changes(Edit{Item: &good, Act: true}, healthy))
}

func TestTheOrderOfTheItemsOfACallDoesNotMatter(t *testing.T) {
	edits := make([]Edit, 0, 40)
	for i := range 40 {
		item := success(i / 3)
		switch {
		case i%3 == 0:
			item = failure(i / 3)
		case i%7 == 0:
			item = &webhook.Settlement{BlockUntil: after(i)}
		}
		edits = append(edits, Edit{Item: item, Merge: item.Attempt != nil, Act: Acts(item)})
	}
	applied := func(list []Edit) (h webhook.Health) {
		Sort(list)
		require.True(t, slices.IsSortedFunc(list, func(a, b Edit) int {
			if a.Item.Attempt == nil || b.Item.Attempt == nil {
				return rank(a.Item) - rank(b.Item)
			}
			return a.Item.Attempt.StartedAt.Compare(b.Item.Attempt.StartedAt)
		}))
		for _, e := range list {
			apply(e, &h)
		}
		return h
	}
	want := applied(slices.Clone(edits))
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		shuffled := slices.Clone(edits)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		require.Equal(t, want, applied(shuffled))
	}
}

func TestHealthBeginsAnewWithAnotherURL(t *testing.T) {
	for _, c := range []struct {
		old, url string
		reset    bool
	}{
		{"https://a.example/x", "https://a.example/x", false},
		{"https://a.example/x", "https://a.example/y", true},
		{"https://a.example/sealed:tag1:text1", "https://a.example/sealed:tag1:text2", false},
		{"https://a.example/sealed:tag1:text1", "https://a.example/sealed:tag2:text1", true},
		{"https://a.example/sealed:tag1:text1", "https://b.example/sealed:tag1:text1", true},
		{"https://a.example/v1/sealed:tag1:x", "https://a.example/v1/sealed:tag1:y", true},
	} {
		old, e := webhook.Endpoint{URL: c.old, State: webhook.EndpointPaused}, webhook.Endpoint{URL: c.url, State: webhook.EndpointActive}
		assert.Equal(t, c.reset, IsReset(&old, &e), "%s to %s", c.old, c.url)
	}
	e := webhook.Endpoint{State: webhook.EndpointDisabled}
	assert.False(t, IsReset(&e, &e))
	assert.True(t, IsReset(&e, &webhook.Endpoint{State: webhook.EndpointPaused}))
}
