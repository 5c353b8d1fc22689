package drivertest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestNothingAcknowledgedIsLostWhenProcessesAreKilled kills processes while they emit and
// deliver, beside another process that emits only.
func TestNothingAcknowledgedIsLostWhenProcessesAreKilled(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	kills := 5
	if soaking() {
		kills = 20
	}
	atOnce(t, databases, func(t *testing.T, d database) {
		began, seed := time.Now(), testSeed(t)
		random := rand.New(rand.NewPCG(uint64(seed), 0))
		f := newFleet(t, d, d.dsn(t), shortLeases(manyRetries(300*time.Millisecond)...), 3)
		f.receiver.setAnswer(flaky(seed, 30))

		workers := make([]*fleetWorker, 2)
		birth := func(place, generation int) {
			workers[place] = f.startUp(fmt.Sprintf("w%d-%d", place, generation), 0)
			workers[place].emit("", -1)
		}
		for place := range workers {
			birth(place, 0)
		}
		host := f.startHost()
		for n := range kills {
			place := random.IntN(len(workers))
			victim := workers[place]
			f.eventually("the victim has begun", func() bool { return len(victim.acknowledged()) > 0 })
			letPass(t.Context(), time.Duration(random.IntN(1500))*time.Millisecond)
			victim.kill()
			birth(place, n+1)
		}
		acknowledged, rolledBack := host.stop()
		for _, w := range workers {
			w.quieten()
		}
		for _, w := range f.workers {
			acknowledged = append(acknowledged, w.acknowledged()...)
		}
		f.settled(acknowledged)
		for _, w := range workers {
			w.terminate()
			assert.Empty(t, w.end())
		}
		f.compare(acknowledged, rolledBack)
		f.log(f.check(), len(acknowledged), kills, began)
	})
}

// testSeed seeds the random choices of a test.
func testSeed(t *testing.T) int64 {
	t.Helper()
	seed := rand.Int64()
	t.Logf("the seed is %d", seed)
	return seed
}
