package acceptance

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestAnOperatorListsTheFailedAttemptsOfAllTenants(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(_ *webhook.Config, net *webhooktest.Transport) {
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				switch {
				case strings.Contains(req.URL, "slow"):
					return nil, webhook.ClassTimeout
				case strings.Contains(req.URL, "broken"):
					return response(503), nil
				}
				return response(200), nil
			}
		})
		for _, tenant := range []string{acme, "umbrella"} {
			for _, id := range []string{"slow", "broken", "well"} {
				_, err := r.Tenant(tenant).CreateEndpoint(t.Context(), webhook.Endpoint{
					ID: id, URL: "https://" + id + ".example/", Events: []string{"*"},
				})
				require.NoError(t, err)
			}
		}
		r.run()
		emit := func(tenant string) {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: tenant, Type: "a.b", ID: "evt", Data: 1})
			require.NoError(t, err)
			synctest.Wait()
			pass(time.Second)
		}
		began := time.Now()
		emit(acme)
		emit("umbrella")

		list := func(q webhook.Query) (found []string) {
			for {
				page, err := r.AllTenants().Attempts(t.Context(), q)
				require.NoError(t, err)
				for _, a := range page.Items {
					found = append(found, strings.Join([]string{a.Tenant, a.EventID, a.EndpointID, string(a.Class)}, " "))
				}
				if q.Cursor = page.Next; q.Cursor == "" {
					return found
				}
			}
		}
		for _, limit := range []int{0, 1} {
			q := webhook.Query{From: began, To: began.Add(2 * time.Second), Limit: limit, NoBodies: true}
			assert.ElementsMatch(t, []string{
				"acme evt slow timeout", "acme evt broken http_status", "umbrella evt slow timeout", "umbrella evt broken http_status",
			}, list(q))
			q.Class = webhook.ClassTimeout
			assert.Equal(t, []string{"umbrella evt slow timeout", "acme evt slow timeout"}, list(q), "the latest first")
			q.Class, q.Status, q.To = "", 503, began.Add(time.Second)
			assert.Equal(t, []string{"acme evt broken http_status"}, list(q))
		}
	})
}

func TestFailedAttemptsOfAllTenantsNeedATimeAndNoTenant(t *testing.T) {
	r := newRig(t, nil)
	now := time.Now()
	for name, c := range map[string]struct {
		scope webhook.Scope
		q     webhook.Query
		field string
	}{
		"no time":                  {r.AllTenants(), webhook.Query{Class: webhook.ClassTimeout}, "Query.From"},
		"of one tenant":            {r.AllTenants(), webhook.Query{Tenant: acme, From: now}, "Query.EndpointID"},
		"in the scope of a tenant": {r.Tenant(acme), webhook.Query{Class: webhook.ClassTimeout, From: now}, "Query.EndpointID"},
		"an event of no tenant":    {r.AllTenants(), webhook.Query{EventID: "evt", From: now}, "Query.Tenant"},
		"an endpoint of no tenant": {r.AllTenants(), webhook.Query{EndpointID: "one", From: now}, "Query.Tenant"},
		"a type":                   {r.AllTenants(), webhook.Query{Type: "a.b", From: now}, "Query.Type"},
	} {
		_, err := c.scope.Attempts(t.Context(), c.q)
		var bad *webhook.FieldError
		require.ErrorAs(t, err, &bad, name)
		assert.Equal(t, c.field, bad.Field, name)
	}
}
