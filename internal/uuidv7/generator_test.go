package uuidv7

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// milli is the time in a UUIDv7.
func milli(id uuid.UUID) int64 {
	var n int64
	for _, b := range id[:6] {
		n = n<<8 | int64(b)
	}
	return n
}

func TestUIDsAreVersion7WithTheTimeInThem(t *testing.T) {
	for _, now := range []time.Time{
		time.UnixMicro(0),
		time.UnixMicro(1),
		time.Date(2024, 2, 29, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		var u Generator
		id := u.Next(now)
		assert.Equal(t, uuid.Version(7), id.Version(), "%v", now)
		assert.Equal(t, uuid.RFC4122, id.Variant(), "%v", now)
		assert.Equal(t, now.UnixMilli(), milli(id), "%v", now)
	}
}

func TestUIDsOfTwoProcessesAreOrderedToTheMicrosecond(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for range 2000 {
		var a, b Generator
		later := now.Add(time.Microsecond)
		first, second := a.Next(now), b.Next(later)
		require.Negative(t, bytes.Compare(first[:], second[:]), "%v and %v", first, second)
		now = later
	}
}

func TestUIDsOfOneInstantIncreaseAndAreRandomBehindTheClock(t *testing.T) {
	var u, other Generator
	now := time.Date(2026, 1, 1, 12, 0, 0, 123_456_000, time.UTC)
	last := u.Next(now)
	assert.NotEqual(t, last[8:], func() []byte { id := other.Next(now); return id[8:] }())
	for range 10_000 { // more than a millisecond has room for: they borrow from the next
		id := u.Next(now)
		require.Negative(t, bytes.Compare(last[:], id[:]), "%v after %v", id, last)
		require.Equal(t, uuid.Version(7), id.Version())
		require.Equal(t, uuid.RFC4122, id.Variant())
		last = id
	}
	assert.InDelta(t, now.UnixMilli(), milli(last), 4)
}

func TestUIDsIncreaseWhenTheClockGoesBackwards(t *testing.T) {
	var u Generator
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	last := u.Next(now)
	for _, step := range []time.Duration{-time.Microsecond, -time.Millisecond, -time.Hour, -100 * 365 * 24 * time.Hour} {
		id := u.Next(now.Add(step))
		assert.Negative(t, bytes.Compare(last[:], id[:]), "a step of %v", step)
		last = id
	}
	id := u.Next(time.Time{})
	assert.Negative(t, bytes.Compare(last[:], id[:]), "the zero time")
	assert.Equal(t, now.UnixMilli(), milli(id))
}

func TestUIDsIncreaseInEveryGoroutineAndAreUnique(t *testing.T) {
	const goroutines, each = 8, 5000
	var u Generator
	var wg sync.WaitGroup
	made := make([][]uuid.UUID, goroutines)
	for g := range made {
		wg.Go(func() {
			ids := make([]uuid.UUID, each)
			for i := range ids {
				ids[i] = u.Next(time.Now())
			}
			made[g] = ids
		})
	}
	wg.Wait()
	seen := make(map[uuid.UUID]bool, goroutines*each)
	prefixes := make(map[[8]byte]bool, goroutines*each)
	for _, ids := range made {
		for i, id := range ids {
			require.False(t, seen[id], "%v is there twice", id)
			require.False(t, prefixes[[8]byte(id[:8])], "%v has the clock of another", id)
			seen[id], prefixes[[8]byte(id[:8])] = true, true
			if i > 0 {
				require.Negative(t, bytes.Compare(ids[i-1][:], id[:]), "%v after %v", id, ids[i-1])
			}
		}
	}
}
