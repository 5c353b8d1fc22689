package lane

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALaneThatRestartsBeginsWithOneItem(t *testing.T) {
	f := newFixture(t, nil)
	f.history("a", Answered, quickly, 50)
	require.Equal(t, 16, f.capOf("a"))
	f.Restart("a")
	f.claimed("a", 50)
	var out []taken
	for limit := 1; limit <= 4; limit++ {
		out = append(out, f.takeAll()...)
		assert.Len(t, out, limit)
		f.end(Answered, quickly, out[0])
		out = out[1:]
	}
}

func TestALaneThatRestartsGrowsByOneForEachAnswer(t *testing.T) {
	f := newFixture(t, nil)
	f.Restart("a")
	assert.Equal(t, 1, f.capOf("a"), "also a lane that is new")
	f.history("a", Failed, quickly, 5)
	assert.Equal(t, 1, f.capOf("a"), "a failure is no answer")
	f.history("a", Answered, slowly, 1)
	assert.Equal(t, 2, f.capOf("a"))
	f.history("a", TimedOut, slowly, 2)
	assert.Equal(t, 1, f.capOf("a"))
	for limit := 2; limit <= 4; limit++ {
		f.history("a", Answered, slowly, 1)
		assert.Equal(t, limit, f.capOf("a"))
	}
	f.history("a", Answered, slowly, 3)
	assert.Equal(t, 4, f.capOf("a"), "then it grows as ever")
	f.history("a", Answered, quickly, 3)
	assert.Equal(t, 7, f.capOf("a"))
	f.history("a", TimedOut, slowly, 2)
	f.history("a", Answered, quickly, 1)
	assert.Equal(t, 4, f.capOf("a"))
}

func TestItemsFromBeforeARestartDoNotCountForIt(t *testing.T) {
	f := newFixture(t, nil)
	f.claimed("a", 50)
	before := f.takeAll()
	require.Len(t, before, 4)
	f.Restart("a")
	probe := f.takeAll()
	require.Len(t, probe, 1, "although the others hang")
	f.end(Answered, quickly, before[:2]...)
	assert.Empty(t, f.takeAll())
	f.end(TimedOut, slowly, before[2])
	f.Restart("a")
	f.end(Answered, quickly, probe...)
	assert.Equal(t, 1, f.capOf("a"))
	after := f.takeAll()
	assert.Len(t, after, 1)
	f.end(TimedOut, slowly, before[3])
	assert.Empty(t, f.takeAll())
	f.end(Answered, quickly, after...)
	assert.Len(t, f.takeAll(), 2)
}
