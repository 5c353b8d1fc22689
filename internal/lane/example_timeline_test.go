package lane

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheExampleOfThePackageComment(t *testing.T) {
	f := newFixture(t, func(l *Limits) {
		*l = Limits{InFlight: 1024, Cap: 8, Untested: 2, Queue: 16 << 10, Bytes: 64 << 20, Lanes: 100, Wait: 10 * time.Second}
	})
	var out []taken
	stored := 0
	for range 10 {
		if !f.emit("e") {
			stored++
		}
		out = append(out, f.takeAll()...)
	}
	assert.Equal(t, 4, stored)
	assert.Len(t, out, 2)
	assert.Len(t, f.Set.lanes, 1)
	assert.True(t, f.isBehind("e"))

	assert.True(t, f.end(Answered, 20*time.Millisecond, out[0]), "it asks for a claim")
	out = append(out[1:], f.takeAll()...)
	assert.Len(t, out, 5, "the four go out")

	visit := f.Begin()
	assert.GreaterOrEqual(t, visit.Room().Lanes["e"], stored)
	for range stored {
		visit.Add("e", 0, f.parcel("e"), weight(1))
	}
	visit.End(false)
	assert.False(t, f.isBehind("e"))

	f.end(Answered, 20*time.Millisecond, append(out, f.takeAll()...)...)
	f.end(Answered, 20*time.Millisecond, f.takeAll()...)
	f.history("e", Answered, 20*time.Millisecond, 100)
	assert.Equal(t, 32, f.capOf("e"))

	f.history("e", TimedOut, 15*time.Second, 2)
	assert.Equal(t, 1, f.capOf("e"))
	f.history("e", TimedOut, 15*time.Second, 1)
	assert.Equal(t, 1, f.capOf("e"))
	f.history("e", Answered, 20*time.Millisecond, 1)
	assert.Equal(t, 8, f.capOf("e"))
}
