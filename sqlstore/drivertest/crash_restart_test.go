package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore/drivertest/servers"
)

// TestNothingAcknowledgedIsLostWhenTheServerRestarts kills the database server, lets it be
// away until Ready notices, and then restarts it once more, while two processes emit and
// deliver.
func TestNothingAcknowledgedIsLostWhenTheServerRestarts(t *testing.T) {
	onlyInCI(t)
	t.Parallel()
	start := map[string]func(testing.TB) *servers.Server{postgres.name: servers.StartPostgres, mysql.name: servers.StartMariaDB}
	atOnce(t, []database{postgres, mysql}, func(t *testing.T, d database) {
		began := time.Now()
		server := start[d.name](t)
		f := newFleet(t, d, server.DSN(), shortLeases(manyRetries(300*time.Millisecond)...), 3)
		f.receiver.setAnswer(flaky(testSeed(t), 30))
		f.run()
		w := f.startUp("w", 0)
		w.emit("", -1)
		host := f.startHost()
		progress := func() {
			t.Helper()
			have := len(w.acknowledged())
			f.eventually("events are emitted again", func() bool { return len(w.acknowledged()) > have+10 })
			f.eventually("it is ready again", func() bool { return f.dispatcher.Ready() == nil })
		}
		progress()
		server.Kill()
		f.eventually("Ready notices", func() bool { return f.dispatcher.Ready() != nil })
		t.Log(f.dispatcher.Ready())
		server.Start()
		progress()
		server.Stop()
		server.Start()
		progress()

		acknowledged, rolledBack := host.stop()
		w.quieten()
		acknowledged = append(acknowledged, w.acknowledged()...)
		f.settled(acknowledged)
		w.terminate()
		require.Empty(t, w.end())
		f.compare(acknowledged, rolledBack)
		a := f.check()
		assert.Zero(t, a.unlogged)
		f.log(a, len(acknowledged), 0, began)
	})
}

// compare compares the acknowledged events, each once, with the stored events.
func (f *fleet) compare(acknowledged, rolledBack []string) {
	f.t.Helper()
	stored, seen := f.events(), make(map[string]bool)
	for _, id := range acknowledged {
		assert.True(f.t, stored[id], "event %s was acknowledged and is not stored", id)
		assert.False(f.t, seen[id], "event %s was acknowledged twice", id)
		seen[id] = true
	}
	for _, id := range rolledBack {
		assert.False(f.t, stored[id], "event %s was rolled back and is stored", id)
	}
}
