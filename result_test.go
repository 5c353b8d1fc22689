package webhook

import (
	"testing"

	"github.com/stretchr/testify/assert"
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
