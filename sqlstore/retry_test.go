package sqlstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

// A delivery may have changed between the read of its page and its lock.
func TestAChangeTakesOnlyDeliveriesThatTheQueryStillSelects(t *testing.T) {
	const pending, failed, canceled, succeeded = webhook.DeliveryPending, webhook.DeliveryFailed, webhook.DeliveryCanceled, webhook.DeliverySucceeded
	window := webhook.Query{FinishedFrom: time.UnixMicro(10), FinishedTo: time.UnixMicro(20)}
	windowed := window
	windowed.State = succeeded
	for _, c := range []struct {
		what       string
		q          webhook.Query
		retry      bool
		state      webhook.DeliveryState
		finishedAt int64
		want       bool
	}{
		{"Retry takes failed ones", webhook.Query{}, true, failed, 15, true},
		{"and canceled ones", webhook.Query{}, true, canceled, 15, true},
		{"but no succeeded ones", webhook.Query{}, true, succeeded, 15, false},
		{"nor pending ones", webhook.Query{}, true, pending, 0, false},
		{"unless the query says so", webhook.Query{State: pending}, true, pending, 0, true},
		{"and then no others", webhook.Query{State: pending}, true, failed, 15, false},
		{"inside the window", window, true, failed, 15, true},
		{"failed again after the window", window, true, failed, 20, false},
		{"before the window", window, true, failed, 9, false},
		{"pending again", window, true, pending, 0, false},
		{"succeeded in the window", windowed, true, succeeded, 15, true},
		{"succeeded after the window", windowed, true, succeeded, 25, false},
		{"Cancel takes pending ones", webhook.Query{}, false, pending, 0, true},
		{"and no finished ones", webhook.Query{}, false, failed, 15, false},
		{"not even if the query says so", webhook.Query{State: failed}, false, failed, 15, false},
	} {
		assert.Equal(t, c.want, wants(&c.q, c.retry, c.state, c.finishedAt), c.what)
	}
}
