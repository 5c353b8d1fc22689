package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAnExclusionEndsWhenItsTimeIsOver(t *testing.T) {
	var x exclusions
	now := time.Now()
	a, b := EndpointKey{"acme", "a"}, EndpointKey{"acme", "b"}
	x.add(a, now.Add(time.Second))
	x.add(b, now.Add(time.Second))
	x.add(b, now.Add(2*time.Second))
	ended := func(at time.Duration) (keys []EndpointKey) {
		x.end(now.Add(at), func(key EndpointKey) { keys = append(keys, key) })
		return keys
	}
	assert.Empty(t, ended(time.Second-1))
	assert.Equal(t, []EndpointKey{a}, ended(time.Second))
	assert.Equal(t, []EndpointKey{b}, ended(2*time.Second))
	assert.Empty(t, ended(time.Hour))
}
