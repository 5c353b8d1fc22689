package profile

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

func TestAnEventIDThatIsAUUIDIsItsGUIDAndAnyOtherGivesOne(t *testing.T) {
	const id = "0198b2f0-7d5a-7c3e-9d3f-2f6f3a1b5c4d"
	assert.Equal(t, id, eventGUID(&webhook.Event{Tenant: "acme", ID: id}))
	// The same id must give the same GUID in every version, because receivers remember it.
	assert.Equal(t, "e753699e-a62a-5629-9077-8d1dcce52733", eventGUID(&webhook.Event{Tenant: "acme", ID: "evt_1"}))
	seen := map[string]string{}
	for _, e := range []webhook.Event{
		{Tenant: "acme", ID: "evt_1"},
		{Tenant: "acme", ID: "evt_2"},
		{Tenant: "other", ID: "evt_1"},
		{Tenant: "acmeevt", ID: "_1"},
		{Tenant: "acme", ID: "urn:uuid:" + id},
		{Tenant: "acme", ID: "{" + id + "}"},
		{Tenant: "acme", ID: "0198B2F0-7D5A-7C3E-9D3F-2F6F3A1B5C4D"},
		{Tenant: "acme", ID: "0198b2f07d5a7c3e9d3f2f6f3a1b5c4d"},
	} {
		guid := eventGUID(&e)
		assert.NoError(t, uuid.Validate(guid))
		assert.Len(t, guid, 36)
		assert.Empty(t, seen[guid], "%s and %s", e.ID, seen[guid])
		seen[guid] = e.ID
		assert.Equal(t, guid, eventGUID(&e))
	}
}

func TestTheGUIDOfADeliveryIsNotItsEvents(t *testing.T) {
	message := func(event, endpoint string) *webhook.Message {
		return &webhook.Message{Event: &webhook.Event{Tenant: "acme", ID: event}, DeliveryID: event + "." + endpoint}
	}
	one := deliveryGUID(message("evt_1", "e1"))
	assert.NoError(t, uuid.Validate(one))
	assert.Equal(t, one, deliveryGUID(message("evt_1", "e1")))
	assert.NotEqual(t, one, deliveryGUID(message("evt_1", "e2")))
	assert.NotEqual(t, one, eventGUID(message("evt_1", "e1").Event))
}
