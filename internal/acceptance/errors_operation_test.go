package acceptance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestEveryErrorHasOnePrefixAndOneOperation(t *testing.T) {
	r := newRig(t, nil)
	e := r.endpoint("one")
	ctx, s, nobody := t.Context(), r.Tenant(acme), r.Tenant("")
	bad := webhook.Query{Limit: -1}
	errs := map[string]error{}
	_, errs["new: Config.PerEndpoint is -1"] = webhook.New(r.store, webhook.Config{PerEndpoint: -1})
	_, errs["new cipher: keys"] = webhook.NewCipher()
	_, errs["public key: secret is"] = webhook.PublicKey("x")
	_, errs["round tripper: Config.Network.Ports"] = webhook.Network{Ports: []uint16{}}.RoundTripper()
	_, errs["emit: Event.Tenant is empty"] = r.Emit(ctx, webhook.Event{Type: "a"})
	_, errs["emit batch: events[1]: Event.Type is empty"] = r.EmitBatch(ctx, []webhook.Event{{Tenant: acme, Type: "a"}, {Tenant: acme}})
	_, errs["emit in transaction: tx is nil"] = r.EmitTx(ctx, nil)
	_, errs["emit in transaction: events[0]: Event.Type"] = r.EmitTx(ctx, r.store, webhook.Event{Tenant: acme})
	_, errs["create endpoint: Endpoint.URL is empty"] = s.CreateEndpoint(ctx, webhook.Endpoint{})
	_, errs[`create endpoint: id "one" is taken: conflict`] = s.CreateEndpoint(ctx, webhook.Endpoint{ID: "one", URL: e.URL, Events: e.Events})
	_, errs[`read endpoint: id "two": not found`] = s.Endpoint(ctx, "two")
	_, errs["list endpoints: Query.Limit is -1"] = s.Endpoints(ctx, bad)
	_, errs[`update endpoint: id "one": version 0 is now`] = s.UpdateEndpoint(ctx, webhook.Endpoint{ID: "one"})
	errs[`delete endpoint: id "two": not found`] = s.DeleteEndpoint(ctx, "two")
	errs[`delete endpoint: id "one": conflict`] = s.DeleteEndpointVersion(ctx, "one", 7)
	_, errs["rotate secret: overlap is -1ns"] = s.RotateSecret(ctx, "one", -1)
	_, errs[`retire secrets: id "two": not found`] = s.RetireSecrets(ctx, "two")
	_, errs["verify secret: tenant is empty"] = nobody.VerifySecret(ctx, "one", "x")
	_, errs[`test: id "two": not found`] = s.Test(ctx, "two")
	_, errs[`test: id "three": not found`] = s.TestType(ctx, "three", "a")
	_, errs["list events: Query.Limit is -1"] = s.Events(ctx, bad)
	_, errs["list deliveries: Query.Limit is -1"] = s.Deliveries(ctx, bad)
	_, errs["list attempts: Query.Limit is -1"] = s.Attempts(ctx, bad)
	_, errs["retry: Query would select every delivery"] = s.Retry(ctx, webhook.Query{})
	_, errs["cancel: Query would select every delivery"] = s.Cancel(ctx, webhook.Query{})
	errs["retry delivery: not found"] = s.RetryDelivery(ctx, "evt", "two")
	errs["cancel delivery: not found"] = s.CancelDelivery(ctx, "evt", "two")
	errs["erase: tenant is empty"] = nobody.Erase(ctx)
	errs["ready: Run is not running"] = r.Ready()
	for want, err := range errs {
		require.Error(t, err, want)
		assert.True(t, strings.HasPrefix(err.Error(), "webhook: "+want), "got %q, want %q", err, want)
		assert.Equal(t, 1, strings.Count(err.Error(), "webhook: "), err.Error())
	}
}
