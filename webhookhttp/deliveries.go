package webhookhttp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gowebhook/webhook"
)

// maxAttempts is the number of attempts that are shown with a delivery: the latest 20.
const maxAttempts = 20

// maxBodyBytes bounds the response bodies that are shown with a delivery. The latest body is
// shown at any size.
const maxBodyBytes = 256 << 10

// A deliveryJSON is a delivery as customers see it.
type deliveryJSON struct {
	ID            string                `json:"id"`
	EventID       string                `json:"event_id"`
	EventType     string                `json:"event_type"`
	EndpointID    string                `json:"endpoint_id"`
	Test          bool                  `json:"test"`
	State         webhook.DeliveryState `json:"state"`
	Reason        *webhook.Reason       `json:"reason"`
	AttemptCount  int                   `json:"attempt_count"`
	LastStatus    *int                  `json:"last_status"`
	LastClass     *string               `json:"last_class"`
	InFlight      bool                  `json:"in_flight"`
	NextAttemptAt *timestamp            `json:"next_attempt_at"`
	CreatedAt     timestamp             `json:"created_at"`
	FinishedAt    *timestamp            `json:"finished_at"`
}

func deliveryOf(d *webhook.Delivery) deliveryJSON {
	v := deliveryJSON{
		ID: d.ID, EventID: d.EventID, EventType: d.EventType, EndpointID: d.EndpointID, Test: d.Test, State: d.State, Reason: optionalOf(d.Reason),
		AttemptCount: d.Attempts, LastStatus: optionalOf(d.LastStatus), LastClass: classOf(d.LastClass), InFlight: d.InFlight, CreatedAt: timestamp(d.CreatedAt), FinishedAt: optionalTime(d.FinishedAt),
	}
	if !d.InFlight { // DueAt of a delivery in flight is the end of its lease
		v.NextAttemptAt = optionalTime(d.DueAt)
	}
	return v
}

func (x *exchange) listDeliveries() error {
	p, err := x.paging()
	if err != nil {
		return err
	}
	q := p.query()
	if q.EndpointID, err = p.id("endpoint_id"); err != nil {
		return err
	}
	if q.EventID, err = p.id("event_id"); err != nil {
		return err
	}
	if q.Type, err = p.eventType(); err != nil {
		return err
	}
	state, err := p.text("state", isDeliveryState, "use pending, succeeded, failed or canceled")
	if err != nil {
		return err
	}
	q.State = webhook.DeliveryState(state)
	if q.Status, err = p.number("last_status", 100, 999); err != nil {
		return err
	}
	if q.Class, err = p.class("last_class"); err != nil {
		return err
	}
	if err := p.between(&q); err != nil {
		return err
	}
	if err := p.finished(&q); err != nil {
		return err
	}
	l, err := x.deliveries(q)
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, l)
}

// deliveries returns a page of deliveries.
func (x *exchange) deliveries(q webhook.Query) (*list[deliveryJSON], error) {
	page, err := x.scope().Deliveries(x.r.Context(), q)
	if err != nil {
		return nil, err
	}
	views := make([]deliveryJSON, len(page.Items))
	for i := range page.Items {
		views[i] = deliveryOf(&page.Items[i])
	}
	return &list[deliveryJSON]{views, optionalOf(page.Next)}, nil
}

func isDeliveryState(s string) bool {
	switch webhook.DeliveryState(s) {
	case webhook.DeliveryPending, webhook.DeliverySucceeded, webhook.DeliveryFailed, webhook.DeliveryCanceled:
		return true
	default:
		return false
	}
}

// delivery returns the query for the delivery in the path. It needs both halves of the id,
// because one half would match many deliveries.
func (x *exchange) delivery() (webhook.Query, error) {
	event, endpoint, _ := strings.Cut(x.r.PathValue("delivery_id"), ".")
	if !isID(event) || !isID(endpoint) {
		return webhook.Query{}, notFound(x.route.path)
	}
	return webhook.Query{EventID: event, EndpointID: endpoint}, nil
}

// oneDelivery returns the delivery that q names.
func (x *exchange) oneDelivery(q webhook.Query) (*deliveryJSON, error) {
	found, err := x.deliveries(q)
	if err != nil {
		return nil, err
	}
	if len(found.Data) == 0 {
		return nil, notFound(x.route.path)
	}
	return &found.Data[0], nil
}

func (x *exchange) getDelivery() error {
	q, err := x.delivery()
	if err != nil {
		return err
	}
	d, err := x.oneDelivery(q)
	if err != nil {
		return err
	}
	q.Limit, q.MaxBytes = maxAttempts, maxBodyBytes
	page, err := x.scope().Attempts(x.r.Context(), q)
	if err != nil {
		return err
	}
	view := struct {
		*deliveryJSON

		Attempts []attemptJSON `json:"attempts"` // the latest first
	}{d, make([]attemptJSON, len(page.Items))}
	for i := range page.Items {
		view.Attempts[i] = attemptOf(&page.Items[i])
	}
	return x.answer(http.StatusOK, view)
}

func (x *exchange) retryDelivery() error {
	if _, err := x.body(false, only()); err != nil {
		return err
	}
	q, err := x.delivery()
	if err != nil {
		return err
	}
	if err := x.scope().RetryDelivery(x.r.Context(), q.EventID, q.EndpointID); errors.Is(err, webhook.ErrConflict) {
		return refuse(http.StatusConflict, codeEndpointDisabled, "", "the endpoint of this delivery is disabled",
			"set is_active of the endpoint to true first")
	} else if err != nil {
		return err
	}
	d, err := x.oneDelivery(q)
	if err != nil {
		return err
	}
	return x.answer(http.StatusAccepted, d)
}

func (x *exchange) cancelDelivery() error {
	if _, err := x.body(false, only()); err != nil {
		return err
	}
	q, err := x.delivery()
	if err != nil {
		return err
	}
	failed := x.scope().CancelDelivery(x.r.Context(), q.EventID, q.EndpointID)
	if failed != nil && !errors.Is(failed, webhook.ErrConflict) {
		return failed
	}
	d, err := x.oneDelivery(q)
	switch {
	case err != nil:
		return err
	case failed == nil:
		return x.answer(http.StatusOK, d)
	case d.State == webhook.DeliveryPending:
		return refuse(http.StatusConflict, codeEndpointDisabled, "", "The endpoint of this delivery is disabled.",
			"Do nothing: the delivery will be canceled soon.")
	}
	return refuse(http.StatusConflict, codeFinished, "", fmt.Sprintf("The delivery has finished: its state is %s.", d.State),
		"Only a pending delivery can be canceled.")
}
