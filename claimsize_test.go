package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook/internal/lane"
)

func TestClaimIsHalvedByTimeoutsAndGrowsWithQuickOnes(t *testing.T) {
	room := lane.Room[EndpointKey]{Items: 2000, Bytes: 8 << 20}
	var size claimSize
	asks := func(items, bytes int) {
		t.Helper()
		i, b := size.of(&room, 256<<10)
		assert.Equal(t, []int{items, bytes}, []int{i, b})
	}
	asks(1000, 8<<20)
	size.timedOut()
	size.timedOut()
	asks(250, 2<<20)
	size.succeeded(quickClaim, true)
	asks(250, 2<<20)
	size.succeeded(quickClaim-1, true)
	asks(500, 4<<20)

	for range partialQuick - 1 {
		size.succeeded(time.Second, false)
	}
	asks(500, 4<<20)
	size.succeeded(quickClaim, false) // they must follow each other
	for range partialQuick - 1 {
		size.succeeded(time.Second, false)
	}
	asks(500, 4<<20)
	size.succeeded(time.Second, false)
	asks(1000, 8<<20)
	size.succeeded(time.Second, true)
	asks(1000, 8<<20)

	for range 2 * maxHalvings {
		size.timedOut()
	}
	asks(1, 512<<10)
	room = lane.Room[EndpointKey]{Items: 3, Bytes: 100}
	asks(1, 100)
	for range maxHalvings {
		size.succeeded(0, true)
	}
	asks(3, 100)
}
