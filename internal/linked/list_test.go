package linked

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type node struct {
	number int
	Links[node]
}

func TestAListBehavesAsASequence(t *testing.T) {
	var q List[node, *node]
	var model []*node
	out := make([]*node, 10)
	for i := range out {
		out[i] = &node{number: i}
	}
	for range 5000 {
		if i := rand.IntN(10); i < len(out) {
			q.Push(out[i])
			model = append(model, out[i])
			out = append(out[:i], out[i+1:]...)
		} else if len(model) > 0 {
			i := rand.IntN(len(model))
			q.Remove(model[i])
			assert.Nil(t, model[i].Prev())
			assert.Nil(t, model[i].Next())
			out = append(out, model[i]) //nolint:makezero // out has the nodes that are in no list
			model = append(model[:i:i], model[i+1:]...)
		}
		var forward, backward []*node
		for l := q.First(); l != nil; l = l.Next() {
			forward = append(forward, l)
		}
		for l := q.Last(); l != nil; l = l.Prev() {
			backward = append([]*node{l}, backward...)
		}
		require.Len(t, forward, len(model))
		require.Len(t, backward, len(model))
		for i, l := range model {
			require.Same(t, l, forward[i])
			require.Same(t, l, backward[i])
			require.Equal(t, l.number, forward[i].number)
		}
	}
}
