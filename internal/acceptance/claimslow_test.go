package acceptance

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestClaimOverASlowLinkAsksForLessUntilOneComesThrough(t *testing.T) {
	inTime(t, func(t *testing.T) {
		const backlog, perDelivery = 700, 25 * time.Millisecond
		var mu sync.Mutex
		var asked []int
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.MaxEndpoints = -1
			net.Answer = answer(200)
		})
		left := backlog
		r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
			mu.Lock()
			asked = append(asked, req.Max)
			most := min(req.Max, left)
			mu.Unlock()
			select {
			case <-ctx.Done():
				return webhook.Claimed{}, ctx.Err()
			case <-time.After(time.Duration(most) * perDelivery):
			}
			claimed, err := r.store.Store.Claim(ctx, req)
			mu.Lock()
			left -= len(claimed.Deliveries)
			mu.Unlock()
			return claimed, err
		}
		for i := range backlog {
			r.endpoint(fmt.Sprint("e", i))
		}
		r.emit("event")
		r.run()
		pass(10 * time.Minute)
		synctest.Wait()
		assert.Len(t, r.net.Sent(), backlog)
		mu.Lock()
		defer mu.Unlock()
		require.GreaterOrEqual(t, len(asked), 3)
		assert.Equal(t, []int{1000, 500, 250}, asked[:3], "a timeout, another, and some")
		assert.Equal(t, 1000, asked[len(asked)-1], "back to the whole")
	})
}
