package replay

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

func TestMissedEventsAreThoseOfTheSubscriptionsButNotOperational(t *testing.T) {
	e := &webhook.Endpoint{Events: []string{"order.*", "left", "webhook.endpoint.failing", "webhook.*"}, Channel: "c1"}
	for typ, want := range map[string]bool{
		"order.paid": true, "order": false, "left": true, "other": false,
		"webhook.endpoint.failing": false, "webhook.delivery.failed": false, "webhook.own": true,
	} {
		assert.Equal(t, want, Receives(e, typ, "c1"), typ)
		assert.False(t, Receives(e, typ, "c2"), typ)
	}
	e.Channel = ""
	assert.True(t, Receives(e, "left", "c2"))
}
