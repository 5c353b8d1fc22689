package contract

import "slices"

// Types of operational events.
const (
	TypeFailing        = "webhook.endpoint.failing"
	TypeDisabling      = "webhook.endpoint.disabling_soon"
	TypeDisabled       = "webhook.endpoint.disabled"
	TypeRecovered      = "webhook.endpoint.recovered"
	TypeDeliveryFailed = "webhook.delivery.failed"
)

// OperationalTypes are all types of operational events. Stores keep facts about them in this
// order.
var OperationalTypes = [...]string{TypeFailing, TypeDisabling, TypeDisabled, TypeRecovered, TypeDeliveryFailed}

// IsOperational reports whether a type is one of operational events.
func IsOperational(typ string) bool { return slices.Contains(OperationalTypes[:], typ) }
