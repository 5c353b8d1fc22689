package webhookhttp

import (
	"encoding/json"
	"net/http"

	"github.com/gowebhook/webhook"
)

// An eventJSON is an event in a list.
type eventJSON struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Timestamp timestamp `json:"timestamp"`
	Channel   string    `json:"channel"`
	Test      bool      `json:"test"`
}

func eventOf(e *webhook.Event) eventJSON {
	return eventJSON{ID: e.ID, Type: e.Type, Timestamp: timestamp(e.Time), Channel: e.Channel, Test: e.Test}
}

func (x *exchange) listEvents() error {
	p, err := x.paging()
	if err != nil {
		return err
	}
	q := p.query()
	q.NoBodies = true
	if q.Type, err = p.eventType(); err != nil {
		return err
	}
	if err := p.between(&q); err != nil {
		return err
	}
	page, err := x.scope().Events(x.r.Context(), q)
	if err != nil {
		return err
	}
	views := make([]eventJSON, len(page.Items))
	for i := range page.Items {
		views[i] = eventOf(&page.Items[i])
	}
	return x.answer(http.StatusOK, list[eventJSON]{views, optionalOf(page.Next)})
}

func (x *exchange) getEvent() error {
	id := x.r.PathValue("event_id")
	page, err := x.scope().Events(x.r.Context(), webhook.Query{EventID: id})
	if err != nil {
		return err
	}
	if len(page.Items) == 0 {
		return notFound(x.route.path)
	}
	deliveries, err := x.deliveries(webhook.Query{EventID: id, Limit: maxPerPage})
	if err != nil {
		return err
	}
	e := &page.Items[0]
	data, _ := e.Data.(json.RawMessage)
	return x.answer(http.StatusOK, struct {
		eventJSON

		Data       json.RawMessage     `json:"data"`
		Deliveries *list[deliveryJSON] `json:"deliveries"`
	}{eventOf(e), data, deliveries})
}

// cancelEvent cancels all pending deliveries of an event, and those that are not made yet.
func (x *exchange) cancelEvent() error {
	q := webhook.Query{EventID: x.r.PathValue("event_id")}
	done, err := x.scope().Cancel(x.r.Context(), q)
	switch {
	case err != nil:
		return replayLimit(err)
	case done.Changed > 0 || done.Replay != "":
		return x.answerCanceled(bulkOf(&done))
	case done.InFlight > 0:
		return refuse(http.StatusConflict, codeInFlight, "", "The event is being sent right now.", "Wait for the result.")
	}
	q.NoBodies = true
	page, err := x.scope().Events(x.r.Context(), q)
	switch {
	case err != nil:
		return err
	case len(page.Items) == 0:
		return notFound(x.route.path)
	}
	return refuse(http.StatusConflict, codeFinished, "", "None of the event's deliveries is pending.", "There is nothing left to cancel.")
}
