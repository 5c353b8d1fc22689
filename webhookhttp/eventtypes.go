package webhookhttp

import (
	"maps"
	"net/http"
	"slices"

	"github.com/gowebhook/webhook/internal/contract"
)

// An eventTypeJSON is a type of the catalogue.
type eventTypeJSON struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Test        bool   `json:"test"`        // only test sends have it: nobody can subscribe to it
	Operational bool   `json:"operational"` // about the customer's own endpoints
}

// operational has the descriptions of the operational types.
var operational = map[string]string{
	contract.TypeFailing:        "Sent when another of your webhooks has failed for a while.",
	contract.TypeDisabling:      "Sent when another of your webhooks will be disabled soon, unless it works again.",
	contract.TypeDisabled:       "Sent when another of your webhooks was disabled, because it kept failing or is gone.",
	contract.TypeRecovered:      "Sent when another of your webhooks that was failing works again.",
	contract.TypeDeliveryFailed: "Sent when a delivery to another of your webhooks has failed for good.",
}

// listEventTypes lists the catalogue, then the operational types, then the type of the test event.
func (x *exchange) listEventTypes() error {
	types := make([]eventTypeJSON, 0, len(x.h.config.EventTypes)+len(operational)+1)
	for _, name := range slices.Sorted(maps.Keys(x.h.config.EventTypes)) {
		if !contract.IsOperational(name) {
			types = append(types, eventTypeJSON{Name: name, Description: x.h.config.EventTypes[name]})
		}
	}
	for _, name := range contract.OperationalTypes {
		types = append(types, eventTypeJSON{Name: name, Description: operational[name], Operational: true})
	}
	if name := x.h.testType; name != "" && !slices.ContainsFunc(types, func(t eventTypeJSON) bool { return t.Name == name }) {
		types = append(types, eventTypeJSON{Name: name, Description: "Sent when you test a webhook.", Test: true})
	}
	return x.answer(http.StatusOK, list[eventTypeJSON]{Data: types})
}

// hasEventType reports whether customers may see and test a type.
func (x *exchange) hasEventType(name string) bool {
	_, listed := x.h.config.EventTypes[name]
	return listed || contract.IsOperational(name)
}
