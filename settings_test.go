package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The Store has counted failures before and after a success that is still on its way to it.
func TestARunOfFailuresEndsWithASuccessThatTheStoreDoesNotKnowOfYet(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1700000000+int64(seconds), 0) }
	for name, c := range map[string]struct {
		failingSince, success, want int // failures
	}{
		"a success before the run":     {failingSince: 10, success: 9, want: 3},
		"a success within the run":     {failingSince: 10, success: 11, want: 0},
		"a success at the run's start": {failingSince: 10, success: 10, want: 0},
		"no success in this process":   {failingSince: 10, want: 3},
		"the latest of many successes": {failingSince: 10, success: 20, want: 0},
		"no failures":                  {success: 20, want: 0},
	} {
		s := newSettings(nil)
		e := &Endpoint{ID: "ep", Tenant: "acme", Version: 1}
		if c.failingSince != 0 {
			e.Health = Health{Failures: 3, FailingSince: at(c.failingSince), LastFailureAt: at(30)}
		}
		n := s.put(e, 0)
		if c.success != 0 {
			n.succeeded(&Attempt{StartedAt: at(c.success)})
			n.succeeded(&Attempt{StartedAt: at(c.success - 5)}) // requests do not end in the order in which they began
		}
		assert.Equal(t, c.want, s.put(e, time.Second).judged().Failures, name)
		later := *e
		later.Version++
		assert.Equal(t, c.want, s.put(&later, time.Second).judged().Failures, "%s, after a change", name)
	}
}
