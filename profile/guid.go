package profile

import (
	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// guidSpace is the name space of GUIDs that are made from ids (RFC 9562 §5.5). The same id
// always gives the same GUID.
var guidSpace = uuid.MustParse("412e02dd-e674-4375-8015-05248bf92834")

// eventGUID identifies an event over all tenants, for receivers that expect a GUID. It is the
// event's id if that is a GUID, as the library's own ids are. Otherwise it is made from tenant
// and id.
func eventGUID(e *webhook.Event) string {
	if id, err := uuid.Parse(e.ID); err == nil && id.String() == e.ID {
		return e.ID
	}
	return nameGUID(e.Tenant, e.ID)
}

// deliveryGUID identifies a delivery over all tenants. No event has the same GUID, because a
// delivery's id has a dot and an event's has none.
func deliveryGUID(m *webhook.Message) string { return nameGUID(m.Event.Tenant, m.DeliveryID) }

// nameGUID joins the names with a byte that neither may contain.
func nameGUID(tenant, id string) string {
	return uuid.NewSHA1(guidSpace, []byte(tenant+"\x00"+id)).String()
}
