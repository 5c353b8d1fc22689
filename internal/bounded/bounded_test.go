package bounded

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestANewEntryOfAFullMapTakesThePlaceOfAnother(t *testing.T) {
	var m map[int]string
	for i := range 10 {
		Put(&m, 3, i, "v")
		require.Equal(t, "v", m[i], "the new entry stays")
		require.Len(t, m, min(i+1, 3))
	}
}

func TestAKnownEntryTakesNoPlace(t *testing.T) {
	var m map[int]string
	Put(&m, 2, 1, "a")
	Put(&m, 2, 2, "b")
	Put(&m, 2, 1, "c")
	assert.Equal(t, map[int]string{1: "c", 2: "b"}, m)
}
