package acceptance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestADeliveryShowsItsLastResultAndListsSelectByIt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = answer(503)
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		pass(time.Second)
		d := r.delivery("evt", "one")
		assert.Equal(t, 503, d.LastStatus)
		assert.Equal(t, webhook.ClassStatus, d.LastClass)
		for _, c := range []struct {
			q    webhook.Query
			want int
		}{
			{webhook.Query{Status: 503}, 1},
			{webhook.Query{Status: 500}, 0},
			{webhook.Query{Class: webhook.ClassStatus, State: webhook.DeliveryPending}, 1},
			{webhook.Query{Class: webhook.ClassTimeout}, 0},
		} {
			for _, scope := range []webhook.Scope{r.Tenant(acme), r.AllTenants()} {
				page, err := scope.Deliveries(t.Context(), c.q)
				require.NoError(t, err)
				assert.Len(t, page.Items, c.want, "%+v", c.q)
			}
		}
	})
}

func TestRetryAndCancelRefuseToSelectByTheLastResult(t *testing.T) {
	r := newRig(t, nil)
	for _, q := range []webhook.Query{{EndpointID: "one", Status: 503}, {EndpointID: "one", Class: webhook.ClassTimeout}} {
		_, err := r.Tenant(acme).Retry(t.Context(), q)
		require.ErrorIs(t, err, webhook.ErrInvalid)
		_, err = r.Tenant(acme).Cancel(t.Context(), q)
		require.ErrorIs(t, err, webhook.ErrInvalid)
	}
}
