package lane

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFIFOBehavesAsAQueue(t *testing.T) {
	for range 200 {
		var q fifo[int]
		var model []int
		next := 0
		for range 20 {
			for range rand.IntN(150) {
				next++
				q.push(next)
				model = append(model, next)
			}
			for range min(rand.IntN(200), len(model)) {
				require.Equal(t, model[0], q.pop())
				model = model[1:]
				require.Equal(t, len(model), q.len())
			}
		}
		for len(model) > 0 {
			require.Equal(t, model[0], q.pop())
			model = model[1:]
		}
		require.Zero(t, q.len())
	}
}

func TestFIFOGrowsWhileItIsWrappedAround(t *testing.T) {
	for first := range 4 {
		var q fifo[int]
		for range first {
			q.push(-1)
		}
		for range first {
			q.pop()
		}
		for n := range 9 {
			q.push(n)
		}
		assert.Len(t, q.buf, 16)
		for n := range 9 {
			assert.Equal(t, n, q.pop())
		}
	}
}

func TestFIFOGivesALargeBufferUpWhenItIsEmpty(t *testing.T) {
	var q fifo[int]
	for n := range keptBuffer {
		q.push(n)
	}
	for range keptBuffer {
		q.pop()
	}
	assert.Len(t, q.buf, keptBuffer, "a small one is kept")
	for n := range keptBuffer + 1 {
		q.push(n)
	}
	for range keptBuffer {
		q.pop()
	}
	assert.Len(t, q.buf, 2*keptBuffer)
	assert.Equal(t, keptBuffer, q.pop())
	assert.Nil(t, q.buf)
	q.push(7)
	assert.Equal(t, 7, q.pop(), "it goes on")
}

func TestFIFOKeepsNothingThatWasTaken(t *testing.T) {
	var q fifo[*int]
	for range 3 {
		q.push(new(int))
		q.pop()
	}
	for _, p := range q.buf {
		assert.Nil(t, p)
	}
}
