package profile

import (
	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// guidSpace is the name space of GUIDs that are made of ids (RFC 9562 §5.5): the same id always gives the same GUID.
var guidSpace = uuid.MustParse("412e02dd-e674-4375-8015-05248bf92834")

// eventGUID identifies an event over all tenants to receivers that expect a GUID: its id if that is one, as the library's own are, or
// else a GUID made of tenant and id.
func eventGUID(e *webhook.Event) string {
	if id, err := uuid.Parse(e.ID); err == nil && id.String() == e.ID {
		return e.ID
	}
	return nameGUID(e.Tenant, e.ID)
}

// deliveryGUID identifies a delivery over all tenants. No event has the same one: there is a dot in a delivery's id, and none in an
// event's.
func deliveryGUID(m *webhook.Message) string { return nameGUID(m.Event.Tenant, m.DeliveryID) }

// nameGUID joins the names with a byte that neither may have.
func nameGUID(tenant, id string) string {
	return uuid.NewSHA1(guidSpace, []byte(tenant+"\x00"+id)).String()
}
