package webhook

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook/internal/lane"
)

func TestAResultPassesThroughTheseStates(t *testing.T) {
	const offered, owed, blocking, ended = resultOffered, resultOwed, resultBlocking, resultEnded
	events := []resultEvent{resultStored, resultLate, resultRefused, resultOverflowed, resultSuperseded, resultGivenUp}
	for from, want := range map[resultState][]resultState{
		//         stored, late, refused, overflowed, superseded, given up
		offered:  {ended, offered, owed, blocking, ended, ended},
		owed:     {ended, owed, owed, owed, ended, ended},
		blocking: {ended, blocking, blocking, blocking, ended, ended},
		ended:    {ended, ended, ended, ended, ended, ended},
	} {
		for i, event := range events {
			assert.Equal(t, want[i], from.after(event), "state %d, event %d", from, event)
		}
		assert.Equal(t, from == owed || from == blocking, from.isOwed())
	}
}

// A claim may end a result after the queue has decided to give it up.
func TestAResultThatHasEndedIsNotGivenUp(t *testing.T) {
	var said strings.Builder
	d := &Dispatcher{config: Config{Logger: slog.New(slog.NewTextHandler(&said, nil))}}
	q := newRetryQueue(&session{d: d})
	var list []*result
	for range 3 {
		list = append(list, q.add(&Settlement{UID: uuid.New(), LeaseNo: 1, Attempt: &Attempt{}}, lane.Ticket[EndpointKey, *work]{}))
	}
	claimed := func(r *result) *Leased { return &Leased{UID: r.UID, LeaseNo: 2} }
	list[1].Attempt = nil
	assert.False(t, q.takeOver(claimed(list[1])), "nothing was sent, so there is nothing to store")
	q.giveUp(list[1:2])
	assert.Zero(t, q.session.lost.Load())
	assert.Empty(t, said.String())
	q.giveUp(list)
	assert.EqualValues(t, 2, q.session.lost.Load())
	assert.Contains(t, said.String(), "results=2")
	assert.Zero(t, q.unsettled())
}
