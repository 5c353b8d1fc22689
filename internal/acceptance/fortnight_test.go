package acceptance

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

// noHealth holds no endpoint back: each delivery is retried by itself, as often as its
// profile says.
var noHealth = webhook.HealthPolicy{
	Throttle: -1, CircuitFailures: -1, CircuitPercent: -1, FailingAfter: -1, DisableAfter: -1,
}

// sickFrom is when the receivers of some kinds go down, counted from the beginning.
const sickFrom = 3 * day

// villageKinds are the kinds of receivers, with their number among 200.
var villageKinds = []villageKind{
	{"healthy", 80, func(*villager, time.Time) (int, string, time.Duration) { return 204, "", 20 * time.Millisecond }},
	{"slow", 20, func(*villager, time.Time) (int, string, time.Duration) { return 204, "", 3 * time.Second }},
	{"flapping", 30, func(v *villager, now time.Time) (int, string, time.Duration) {
		if (now.Sub(v.begun)+time.Duration(v.number)*7*time.Minute)%time.Hour < 20*time.Minute {
			return 503, "", 20 * time.Millisecond
		}
		return 204, "", 20 * time.Millisecond
	}},
	{"limiting", 20, func(v *villager, now time.Time) (int, string, time.Duration) { // one request a minute
		if now.Sub(v.accepted) >= time.Minute {
			v.accepted = now
			return 204, "", 20 * time.Millisecond
		}
		if v.number%2 == 0 {
			return 429, "Retry-After: 60", 20 * time.Millisecond
		}
		return 429, "", 20 * time.Millisecond
	}},
	{"dead", 20, func(v *villager, _ time.Time) (int, string, time.Duration) {
		if v.number%2 == 0 {
			return 500, "", 20 * time.Millisecond
		}
		return 0, "", time.Minute // longer than its timeout
	}},
	{"gone", 10, func(v *villager, now time.Time) (int, string, time.Duration) {
		if now.Sub(v.begun) < sickFrom {
			return 204, "", 20 * time.Millisecond
		}
		return 410, "", 20 * time.Millisecond
	}},
	{"back after two days", 20, func(v *villager, now time.Time) (int, string, time.Duration) {
		if d := now.Sub(v.begun); d >= sickFrom && d < sickFrom+2*day {
			return 502, "", 20 * time.Millisecond
		}
		return 204, "", 20 * time.Millisecond
	}},
}

// villageSize is the size of the test. The long form is that of WEBHOOK_TEST_LONG=1.
func villageSize() (scale, perDay int) {
	if os.Getenv("WEBHOOK_TEST_LONG") == "1" && !raceDetector {
		return 1, 6
	}
	return 10, 3
}

// Two weeks of a service with sick receivers, twice: with the usual rules of health, and
// with none.
func TestTwoWeeksBesideSickReceiversLoseNothing(t *testing.T) {
	scale, perDay := villageSize()
	var alone, all, unhealed villageReport
	inTime(t, func(t *testing.T) {
		v := newVillage(t, 1, villageKinds[:1], scale, webhook.HealthPolicy{})
		v.live(3*day, perDay)
		alone = v.report()
	})
	inTime(t, func(t *testing.T) {
		v := newVillage(t, 2, villageKinds, scale, webhook.HealthPolicy{})
		v.live(14*day, perDay)
		all = v.report()
		t.Logf("two weeks, %d events a day for each endpoint\n%s", perDay, all)
		v.checkNothingIsLost()
		v.heal()
		v.checkAllIsDelivered()
	})
	inTime(t, func(t *testing.T) {
		v := newVillage(t, 1, villageKinds[4:5], scale, noHealth)
		v.live(14*day, perDay)
		unhealed = v.report()
		t.Logf("the dead ones without rules of health\n%s", unhealed)
	})
	assert.LessOrEqual(t, all["healthy"].longest, alone["healthy"].longest+10*time.Millisecond, "no sick receiver delays a healthy one")
	for _, kind := range []string{"healthy", "slow", "flapping", "limiting", "back after two days"} {
		assert.Equal(t, all[kind].events, all[kind].delivered, kind)
	}
	back := all["back after two days"]
	assert.Positive(t, back.resumed)
	assert.LessOrEqual(t, back.resumed, 75*time.Minute, "the longest wait of a circuit, and its jitter")
	assert.LessOrEqual(t, back.longest, 31*time.Hour, "a delivery that has probed often also waits for its own retry, of a day and the jitter")
	assert.Less(t, 4*all["dead"].attempts, unhealed["dead"].attempts, "the rules of health spare receivers that are down")
	assert.LessOrEqual(t, all["gone"].after, 3*all["gone"].endpoints, "a receiver that is gone is asked twice, or once more by the other process")
	for kind, notices := range map[string][]string{
		"dead":                {"failing", "disabling_soon", "disabled"},
		"gone":                {"disabled"},
		"back after two days": {"failing", "recovered"},
	} {
		for _, n := range notices {
			assert.Equal(t, all[kind].endpoints, all[kind].passed[n], "%s: %s, each endpoint once", kind, n)
		}
	}
	assert.Empty(t, all["healthy"].passed)
}
