package receive

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// claim claims a key that must be free.
func claim(t *testing.T, m *Memory, key string) Claim {
	t.Helper()
	c, err := m.Claim(t.Context(), key)
	require.NoError(t, err, key)
	return c
}

// commit lets a key be handled.
func commit(t *testing.T, m *Memory, key string) {
	t.Helper()
	require.NoError(t, claim(t, m, key).Commit(t.Context()))
}

func refused(t *testing.T, m *Memory, key string, want error) {
	t.Helper()
	c, err := m.Claim(t.Context(), key)
	assert.ErrorIs(t, err, want, key)
	assert.Nil(t, c, key)
}

func TestAKeyIsClaimedOnceUntilItsClaimEnds(t *testing.T) {
	m := &Memory{}
	c := claim(t, m, "a")
	refused(t, m, "a", ErrInProgress)
	claim(t, m, "b")
	require.NoError(t, c.Release(t.Context()))
	c = claim(t, m, "a")
	require.NoError(t, c.Commit(t.Context()))
	refused(t, m, "a", ErrDuplicate)
}

func TestOnlyTheFirstEndOfAClaimCounts(t *testing.T) {
	m := &Memory{}
	c := claim(t, m, "a")
	require.NoError(t, c.Commit(t.Context()))
	require.NoError(t, c.Release(t.Context()))
	require.NoError(t, c.Commit(t.Context()))
	refused(t, m, "a", ErrDuplicate)
	assert.Len(t, m.handled, 1)

	old := claim(t, m, "b")
	require.NoError(t, old.Release(t.Context()))
	claim(t, m, "b")
	require.NoError(t, old.Release(t.Context()))
	refused(t, m, "b", ErrInProgress)
	require.NoError(t, old.Commit(t.Context()))
	refused(t, m, "b", ErrInProgress)
}

func TestAHandledKeyIsForgottenAtMaxAge(t *testing.T) {
	now := time.Unix(1700000000, 0)
	m := &Memory{MaxAge: time.Hour, Now: func() time.Time { return now }}
	c := claim(t, m, "slow")
	commit(t, m, "a")
	now = now.Add(time.Minute)
	commit(t, m, "b")
	now = now.Add(time.Hour - time.Minute - 1)
	refused(t, m, "a", ErrDuplicate)
	now = now.Add(1)
	commit(t, m, "a")
	refused(t, m, "b", ErrDuplicate)
	now = now.Add(24 * time.Hour)
	refused(t, m, "slow", ErrInProgress)
	claim(t, m, "b")
	require.NoError(t, c.Commit(t.Context()))
	refused(t, m, "slow", ErrDuplicate)
	assert.Len(t, m.entries, 2, "slow and b")
}

func TestAFullMemoryForgetsWhatWasHandledFirst(t *testing.T) {
	m := &Memory{MaxEntries: 3}
	c := claim(t, m, "held")
	commit(t, m, "a")
	commit(t, m, "b")
	commit(t, m, "c")
	refused(t, m, "b", ErrDuplicate)
	refused(t, m, "c", ErrDuplicate)
	refused(t, m, "held", ErrInProgress)
	commit(t, m, "a")
	refused(t, m, "c", ErrDuplicate)
	require.NoError(t, c.Release(t.Context()))
}

func TestAMemoryFullOfClaimsRefusesMore(t *testing.T) {
	m := &Memory{MaxEntries: 2}
	c := claim(t, m, "a")
	claim(t, m, "b")
	refused(t, m, "c", ErrFull)
	refused(t, m, "a", ErrInProgress)
	require.NoError(t, c.Release(t.Context()))
	claim(t, m, "c")
}

func TestDefaultsOfAMemory(t *testing.T) {
	for _, m := range []*Memory{{}, {MaxEntries: -1, MaxAge: -1}} {
		assert.Equal(t, 100_000, m.maxEntries())
		assert.Equal(t, 72*time.Hour, m.maxAge())
		assert.WithinDuration(t, time.Now(), m.now(), time.Minute)
	}
}

func TestMemoryHoldsNoMoreThanItMay(t *testing.T) {
	m := &Memory{MaxEntries: 100}
	for i := range 10_000 {
		commit(t, m, fmt.Sprint(i))
		require.LessOrEqual(t, len(m.entries), 100)
		require.LessOrEqual(t, cap(m.handled), 1000)
	}
	for i := range 100 {
		refused(t, m, fmt.Sprint(9_900+i), ErrDuplicate)
	}
}

// Of all that claim a key at once one gets it, and after a commit nobody does.
func TestConcurrentClaimsOfAKeyNeverOverlap(t *testing.T) {
	m := &Memory{}
	var inside, commits atomic.Int32
	var wg sync.WaitGroup
	deadline := time.Now().Add(30 * time.Second)
	for i := range 64 {
		wg.Go(func() {
			for assert.True(t, time.Now().Before(deadline), "the key is neither free nor handled") {
				c, err := m.Claim(t.Context(), "key")
				switch {
				case err == nil:
					assert.Equal(t, int32(1), inside.Add(1))
					inside.Add(-1)
					if i%8 != 0 {
						assert.NoError(t, c.Release(t.Context()))
						return
					}
					commits.Add(1)
					assert.NoError(t, c.Commit(t.Context()))
				case assert.ObjectsAreEqual(ErrDuplicate, err):
					return
				default:
					assert.ErrorIs(t, err, ErrInProgress)
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, int32(1), commits.Load())
}
