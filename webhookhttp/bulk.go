package webhookhttp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
)

// Fields that select the deliveries of a change.
var (
	cancelFields = []string{"endpoint_id", "event_id", "event_type", "from", "to", "all"}
	retryFields  = append(slices.Clone(cancelFields), "state", "finished_from", "finished_to")
)

// A bulkJSON is the result of a change of many deliveries.
type bulkJSON struct {
	Changed  int     `json:"changed"`
	InFlight int     `json:"in_flight"`
	ReplayID *string `json:"replay_id"`
}

func bulkOf(done *webhook.BulkResult) *bulkJSON {
	return &bulkJSON{done.Changed, done.InFlight, optionalOf(done.Replay)}
}

func (x *exchange) retryMany() error {
	done, err := x.changeMany(retryFields, webhook.Scope.Retry)
	if err != nil {
		return err
	}
	return x.answer(http.StatusAccepted, done)
}

func (x *exchange) cancelMany() error {
	done, err := x.changeMany(cancelFields, webhook.Scope.Cancel)
	if err != nil {
		return err
	}
	return x.answerCanceled(done)
}

// answerCanceled writes the result of a cancellation. A replay may have to do the rest.
func (x *exchange) answerCanceled(done *bulkJSON) error {
	status := http.StatusOK
	if done.ReplayID != nil {
		status = http.StatusAccepted
	}
	return x.answer(status, done)
}

// changeMany changes the deliveries that the body selects.
func (x *exchange) changeMany(fields []string, change func(webhook.Scope, context.Context, webhook.Query) (webhook.BulkResult, error)) (*bulkJSON, error) {
	var q webhook.Query
	all, err := x.selection(fields, func(m member) error { return setQuery(&q, m) })
	if err != nil {
		return nil, err
	}
	if err := checkAll(q != webhook.Query{}, all); err != nil {
		return nil, err
	}
	if err := checkPeriods(q.From, q.To, q.FinishedFrom, q.FinishedTo); err != nil {
		return nil, err
	}
	if q.EventID != "" && q.EndpointID != "" {
		return nil, invalidField("endpoint_id", "names a single delivery, beside event_id",
			"leave one of the two out, or use the path of that delivery: /deliveries/{delivery_id}")
	}
	q.All = all
	done, err := change(x.scope(), x.r.Context(), q)
	if err != nil {
		return nil, replayLimit(err)
	}
	return bulkOf(&done), nil
}

// selection reads a body with the field "all", and sets its other fields.
func (x *exchange) selection(fields []string, set func(member) error) (all bool, err error) {
	members, err := x.body(true, only(fields...))
	if err != nil {
		return false, err
	}
	for _, m := range members {
		if m.name == "all" {
			all, err = decodeOptionalBool(m)
		} else {
			err = set(m)
		}
		if err != nil {
			return false, err
		}
	}
	return all, nil
}

// setQuery sets a field that selects deliveries. Null selects nothing.
func setQuery(q *webhook.Query, m member) (err error) {
	if isNull(m.value) {
		return nil
	}
	switch m.name {
	case "endpoint_id":
		q.EndpointID, err = decodeID(m.field, m.value)
	case "event_id":
		q.EventID, err = decodeID(m.field, m.value)
	case "event_type":
		if q.Type, err = decodeString(m.field, m.value); err == nil && !isEventType(q.Type) {
			err = invalidField(m.field, "is no event type", "use a type as /event-types lists it")
		}
	case "state":
		var state string
		if state, err = decodeString(m.field, m.value); err == nil && !isDeliveryState(state) {
			err = invalidField(m.field, "is unknown", "use pending, succeeded, failed or canceled")
		}
		q.State = webhook.DeliveryState(state)
	case "from":
		q.From, err = decodeTime(m.field, m.value)
	case "to":
		q.To, err = decodeTime(m.field, m.value)
	case "finished_from":
		q.FinishedFrom, err = decodeTime(m.field, m.value)
	case "finished_to":
		q.FinishedTo, err = decodeTime(m.field, m.value)
	}
	return err
}

// checkPeriods refuses a period that ends before it begins.
func checkPeriods(from, to, finishedFrom, finishedTo time.Time) error {
	switch {
	case !to.IsZero() && !from.Before(to):
		return invalidField("to", "is not after from", "send a later time, or leave it out")
	case !finishedTo.IsZero() && !finishedFrom.Before(finishedTo):
		return invalidField("finished_to", "is not after finished_from", "send a later time, or leave it out")
	}
	return nil
}

// checkAll refuses to select every delivery if all does not say so.
func checkAll(narrow, all bool) error {
	switch {
	case !narrow && !all:
		return invalidField("all", "is not true, and no other field narrows the selection", "narrow the selection, or send true to select every delivery")
	case narrow && all:
		return invalidField("all", "is true beside fields that narrow the selection", "leave it out, or leave them out")
	}
	return nil
}

// replayLimit returns the answer for ErrLimit, and another error as it is.
func replayLimit(err error) error {
	if !errors.Is(err, webhook.ErrLimit) {
		return err
	}
	return refuse(http.StatusConflict, codeReplayLimit, "", "Too many replays are unfinished.",
		"Wait until one of yours has finished, or cancel one. Then send the request again.")
}
