package drivertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNothingAcknowledgedIsLostWhenProcessesAreKilled kills processes while they emit and deliver, beside another process that emits
// only.
func TestNothingAcknowledgedIsLostWhenProcessesAreKilled(t *testing.T) {
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
			assert.Empty(t, w.failed)
		}
		f.settled(acknowledged)
		for _, w := range workers {
			w.terminate()
			assert.Empty(t, w.end())
		}
		stored := f.events()
		for _, id := range acknowledged {
			require.True(t, stored[id], "event %s was acknowledged and is not stored", id)
		}
		for _, id := range rolledBack {
			require.False(t, stored[id], "event %s was rolled back and is stored", id)
		}
		f.log(f.check(), len(acknowledged), kills, began)
	})
}

// testSeed is for what a test does at random.
func testSeed(t *testing.T) int64 {
	t.Helper()
	seed := rand.Int64()
	t.Logf("the seed is %d", seed)
	return seed
}

// A fleetHost emits in this process, which delivers nothing: by Emit, and in transactions, some of which are rolled back.
type fleetHost struct {
	f            *fleet
	cancel       context.CancelFunc
	ended        chan struct{}
	acknowledged []string
	rolledBack   []string
	errs         []error
}

func (f *fleet) startHost() *fleetHost {
	ctx, cancel := context.WithCancel(f.t.Context())
	h := &fleetHost{f: f, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		for i := 0; ; i++ {
			h.emit(i)
			if !letPass(ctx, emitPace) {
				return
			}
		}
	}()
	f.t.Cleanup(func() { h.halt() })
	return h
}

func (h *fleetHost) halt() {
	h.cancel()
	<-h.ended
}

// stop returns what was stored and what was not.
func (h *fleetHost) stop() (acknowledged, rolledBack []string) {
	h.f.t.Helper()
	h.halt()
	require.NotEmpty(h.f.t, h.acknowledged)
	if n := len(h.errs); n > 0 {
		h.f.t.Logf("%d Emits of the host failed and were repeated, the last with: %v", n, h.errs[n-1])
	}
	return slices.Clone(h.acknowledged), h.rolledBack
}

// emit emits event i, in one of several ways, until it is acknowledged.
func (h *fleetHost) emit(i int) {
	e := h.f.event("host-"+strconv.Itoa(i), i)
	rollback := false
	for {
		var err error
		switch i % 3 {
		case 0:
			_, err = h.f.dispatcher.Emit(context.Background(), e)
		default:
			rollback = i%6 == 5
			err = h.f.emitTx(e, rollback)
		}
		if err == nil {
			break
		}
		h.errs = append(h.errs, err)
		if !letPass(h.f.t.Context(), emitPace) {
			return
		}
	}
	if rollback {
		h.rolledBack = append(h.rolledBack, e.ID)
	} else {
		h.acknowledged = append(h.acknowledged, e.ID)
	}
}
