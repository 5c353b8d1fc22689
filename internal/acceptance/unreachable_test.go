package acceptance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/profile"
	"github.com/gowebhook/webhook/webhooktest"
)

var unreachable = map[string]struct {
	class webhook.Class
	after time.Duration
}{
	"unknown":  {webhook.ClassDNS, 900 * time.Millisecond},
	"refused":  {webhook.ClassRefused, 30 * time.Millisecond},
	"blocked":  {webhook.ClassBlocked, 0},
	"resolved": {webhook.ClassBlocked, 250 * time.Millisecond}, // a name with an internal address
}

// unreachableRig returns a rig with unreachable endpoints. Each fails in its own way.
func unreachableRig(t *testing.T, p webhook.Profile) *rig {
	t.Helper()
	p.Retry = webhook.Schedule(time.Minute, time.Minute).Exact()
	r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
		c.Profile, c.Profiles = "p", map[string]webhook.Profile{"p": p}
		net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
			how := unreachable[req.Endpoint.ID]
			pass(how.after)
			return nil, fmt.Errorf("%w: 10.0.0.1", how.class)
		}
	})
	for name := range unreachable {
		r.endpoint(name)
	}
	return r
}

// unreachableProfiles includes a profile that would reveal the class of a failure, and a
// profile that once did.
var unreachableProfiles = map[string]func() webhook.Profile{
	"Keygen": func() webhook.Profile { return profile.Keygen(profile.KeygenOptions{}) },
	"by class": func() webhook.Profile {
		return webhook.Profile{Judge: func(o webhook.Outcome) webhook.Verdict {
			return map[webhook.Class]webhook.Verdict{
				webhook.ClassDNS: webhook.VerdictFail, webhook.ClassRefused: webhook.VerdictRetry, webhook.ClassBlocked: webhook.VerdictDisable,
			}[o.Class]
		}}
	},
	"standard": func() webhook.Profile { return webhook.Profile{} },
}

func TestATenantCannotTellWhyAReceiverIsUnreachable(t *testing.T) {
	for name, p := range unreachableProfiles {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				p := p()
				if name == "Keygen" {
					p.Encode, p.Signers, p.Keys, p.Check, p.Issue = nil, []webhook.Signer{func(*webhook.Request, []webhook.Secret) error { return nil }}, nil, nil, nil
				}
				r := unreachableRig(t, p)
				r.run()
				r.emit("evt")
				pass(time.Second)
				seen := make(map[string]int)
				for id, how := range unreachable {
					d, a := r.delivery("evt", id), r.attempts("evt", id)
					require.Len(t, a, 1)
					assert.Equal(t, how.class, a[0].Class, "operators see it")
					e, err := r.Tenant(acme).Endpoint(t.Context(), id)
					require.NoError(t, err)
					seen[fmt.Sprint(d.State, d.Reason, d.Failures, e.State, e.Reason, e.Health.Failures, a[0].NextAt.IsZero())]++
					if !a[0].NextAt.IsZero() {
						// The jitter is random. The least wait must not depend on the duration
						// of the failure.
						wait := a[0].NextAt.Sub(a[0].StartedAt)
						assert.GreaterOrEqual(t, wait, time.Minute)
						assert.LessOrEqual(t, wait, 72*time.Second)
					}
				}
				assert.Len(t, seen, 1, "%v", seen)
			})
		})
	}
}

func TestTheNextAttemptDoesNotTellHowLongAnUnreachableReceiverTook(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := unreachableRig(t, webhook.Profile{})
		r.run()
		r.emit("evt")
		pass(10 * time.Minute)
		for id := range unreachable {
			a := r.attempts("evt", id)[0]
			assert.Equal(t, time.Minute, a.NextAt.Sub(a.StartedAt), "%s: it has the time of the attempt in it", id)
		}
	})
}

func TestATestOfAnUnreachableReceiverTakesTheSameTime(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := unreachableRig(t, webhook.Profile{})
		for id := range unreachable {
			began := time.Now()
			a, err := r.Tenant(acme).Test(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, unreachable[id].class, a.Class)
			assert.Equal(t, 2*time.Second, time.Since(began), id)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Tenant(acme).Test(ctx, "blocked")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
