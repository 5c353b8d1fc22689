package webhook

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type localClock struct{}

func (localClock) Now(context.Context) (time.Time, error) { return time.Now(), nil }

func TestAReadingThatHasJustEndedServesACallerThatSawNone(t *testing.T) {
	s := &storeTime{local: time.Now, wall: time.Now, clock: localClock{}, report: func(error) {}}
	s.age.Store(int64(clockAge))
	seen := s.isKnown() // as a second caller looks before the first one's reading ends
	require.False(t, seen)
	require.NoError(t, s.keepUp(t.Context()))
	assert.Nil(t, s.read(seen))
}
