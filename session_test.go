package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAHoldEndsWhenItsTimeIsOver(t *testing.T) {
	var h holds
	now := time.Now()
	a, b := EndpointKey{"acme", "a"}, EndpointKey{"acme", "b"}
	h.add(a, now.Add(time.Second))
	h.add(b, now.Add(time.Second))
	h.add(b, now.Add(2*time.Second))
	ended := func(at time.Duration) (keys []EndpointKey) {
		h.end(now.Add(at), func(key EndpointKey) { keys = append(keys, key) })
		return keys
	}
	assert.Empty(t, ended(time.Second-1))
	assert.Equal(t, []EndpointKey{a}, ended(time.Second))
	assert.Equal(t, []EndpointKey{b}, ended(2*time.Second))
	assert.Empty(t, ended(time.Hour))
}
