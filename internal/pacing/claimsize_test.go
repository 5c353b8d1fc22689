package pacing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestClaimIsHalvedByTimeoutsAndGrowsWithQuickOnes(t *testing.T) {
	const timeout, quick = 10 * time.Second, 5*time.Second - 1
	roomItems, roomBytes := 2000, 8<<20
	size := ClaimSize{Most: 1000, MaxEvent: 256 << 10, Timeout: timeout}
	asks := func(items, bytes int) {
		t.Helper()
		i, b := size.Of(roomItems, roomBytes)
		assert.Equal(t, []int{items, bytes}, []int{i, b})
	}
	asks(1000, 8<<20)
	size.TimedOut()
	size.TimedOut()
	asks(250, 2<<20)
	size.Succeeded(timeout/2, true)
	asks(250, 2<<20)
	size.Succeeded(quick, true)
	asks(500, 4<<20)

	for range partialQuick - 1 {
		size.Succeeded(time.Second, false)
	}
	asks(500, 4<<20)
	size.Succeeded(timeout/2, false) // they must follow each other
	for range partialQuick - 1 {
		size.Succeeded(time.Second, false)
	}
	asks(500, 4<<20)
	size.Succeeded(time.Second, false)
	asks(1000, 8<<20)
	size.Succeeded(time.Second, true)
	asks(1000, 8<<20)

	for range 2 * maxHalvings {
		size.TimedOut()
	}
	asks(1, 512<<10)
	roomItems, roomBytes = 3, 100
	asks(1, 100)
	for range maxHalvings {
		size.Succeeded(0, true)
	}
	asks(3, 100)
}
