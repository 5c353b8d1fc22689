package acceptance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

var operationalTypes = []string{typeFailing, typeDisabling, typeDisabled, typeRecovered, typeGivenUp}

func TestOnlyTheLibraryEmitsOperationalEvents(t *testing.T) {
	for _, catalogue := range []map[string]string{nil, {"a.b": ""}} {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.EventTypes = catalogue })
		for _, typ := range operationalTypes {
			e := webhook.Event{Tenant: acme, Type: typ}
			_, err := r.Emit(t.Context(), e)
			requireField(t, err, "Event.Type")
			require.ErrorContains(t, err, "the library's own events")
			_, err = r.EmitBatch(t.Context(), []webhook.Event{e})
			requireField(t, err, "Event.Type")
			_, err = r.EmitTx(t.Context(), r.store, e)
			requireField(t, err, "Event.Type")
			_, err = webhook.New(memstore.New(memstore.Options{}), webhook.Config{EventTypes: map[string]string{typ: ""}})
			requireField(t, err, `Config.EventTypes["`+typ+`"]`)
		}
		if catalogue == nil {
			_, err := r.Emit(t.Context(), webhook.Event{Tenant: acme, Type: "webhook.endpoint.other"})
			require.NoError(t, err, "the other names are the application's")
		}
	}
}

func TestOperationalTypesAreSubscribedToBesideACatalogue(t *testing.T) {
	r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.EventTypes = map[string]string{"a.b": ""} })
	for i, pattern := range append([]string{"webhook.*", "webhook.endpoint.*", "webhook.delivery.*"}, operationalTypes...) {
		e := r.endpoint(fmt.Sprint("ep", i), named(pattern))
		_, err := r.Tenant(acme).TestType(t.Context(), e.ID, typeFailing)
		require.NoError(t, err, "customers can try them out")
	}
	for _, pattern := range []string{"webhook.endpoint", "webhook.endpoint.other", "webhook.endpoint.failing.*", "web.*"} {
		_, err := r.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://one.example/", Events: []string{pattern}})
		requireField(t, err, "Endpoint.Events[0]")
	}
}

func requireField(t *testing.T, err error, field string) {
	t.Helper()
	var problem *webhook.FieldError
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, field, problem.Field)
}
