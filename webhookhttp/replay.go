package webhookhttp

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gowebhook/webhook"
)

// Limits of a request for a replay. The Dispatcher has the same limits.
const (
	minReplayRate  = 0.001
	maxReplayRate  = 1000
	maxReplayTypes = 100

	maxReplayStates = 3
)

// Fields of a request for a replay. Those of an endpoint also have "missed", the others "all".
var replayFields = []string{"event_id", "types", "states", "from", "to", "finished_from", "finished_to", "rate", "dry_run"}

// A replayJSON is a replay as customers see it.
type replayJSON struct {
	ID           *string                 `json:"id"`
	State        *string                 `json:"state"`
	Reason       *webhook.Reason         `json:"reason"`
	Cancels      bool                    `json:"cancels"`
	EndpointID   *string                 `json:"endpoint_id"`
	EventID      *string                 `json:"event_id"`
	Types        []string                `json:"types"`
	States       []webhook.DeliveryState `json:"states"`
	Missed       bool                    `json:"missed"`
	From         *timestamp              `json:"from"`
	To           *timestamp              `json:"to"`
	FinishedFrom *timestamp              `json:"finished_from"`
	FinishedTo   *timestamp              `json:"finished_to"`
	Rate         float64                 `json:"rate"`
	Matched      int                     `json:"matched"`
	Exact        bool                    `json:"exact"`
	Changed      int                     `json:"changed"`
	Skipped      int                     `json:"skipped"`
	CreatedAt    timestamp               `json:"created_at"`
	FinishedAt   *timestamp              `json:"finished_at"`
}

func replayOf(r *webhook.Replay) replayJSON {
	req := &r.Request
	v := replayJSON{
		ID: optionalOf(r.ID), Reason: optionalOf(r.Reason), Cancels: r.Cancels,
		EndpointID: optionalOf(req.Endpoint), EventID: optionalOf(req.Event), Types: slices.Clone(req.Types), States: slices.Clone(req.States),
		Missed: req.Missed, From: optionalTime(req.From), To: optionalTime(req.To),
		FinishedFrom: optionalTime(req.FinishedFrom), FinishedTo: optionalTime(req.FinishedTo), Rate: req.Rate,
		Matched: r.Matched, Exact: r.Exact, Changed: r.Changed, Skipped: r.Skipped,
		CreatedAt: timestamp(r.CreatedAt), FinishedAt: optionalTime(r.FinishedAt),
	}
	if v.Types == nil {
		v.Types = []string{}
	}
	if v.States == nil {
		v.States = []webhook.DeliveryState{}
	}
	if r.ID != "" {
		state := "running"
		switch {
		case r.Reason != "":
			state = "canceled"
		case !r.FinishedAt.IsZero():
			state = "done"
		}
		v.State = &state
	}
	return v
}

// replayEndpoint replays deliveries or missed events of the endpoint in the path.
func (x *exchange) replayEndpoint() error {
	endpoint := x.r.PathValue("webhook_id")
	if !isID(endpoint) {
		return notFound(x.route.path)
	}
	members, err := x.body(false, only(append([]string{"missed"}, replayFields...)...))
	if err != nil {
		return err
	}
	var req webhook.ReplayRequest
	for _, m := range members {
		if err := setReplay(&req, m); err != nil {
			return err
		}
	}
	req.Endpoint = endpoint
	return x.replay(req)
}

// replayAll replays deliveries of all endpoints of the tenant.
func (x *exchange) replayAll() error {
	var req webhook.ReplayRequest
	all, err := x.selection(append([]string{"all"}, replayFields...), func(m member) error { return setReplay(&req, m) })
	if err != nil {
		return err
	}
	narrow := req.Event != "" || len(req.Types) > 0 || len(req.States) > 0 ||
		!(req.From.IsZero() && req.To.IsZero() && req.FinishedFrom.IsZero() && req.FinishedTo.IsZero())
	if err := checkAll(narrow, all); err != nil {
		return err
	}
	return x.replay(req)
}

// setReplay sets a field of a request for a replay. Null means the default.
func setReplay(req *webhook.ReplayRequest, m member) (err error) {
	if isNull(m.value) {
		return nil
	}
	switch m.name {
	case "event_id":
		req.Event, err = decodeID(m.field, m.value)
	case "types":
		req.Types, err = decodeStrings(m.field, m.value, maxReplayTypes)
	case "states":
		var states []string
		states, err = decodeStrings(m.field, m.value, maxReplayStates)
		for _, s := range states {
			req.States = append(req.States, webhook.DeliveryState(s))
		}
	case "from":
		req.From, err = decodeTime(m.field, m.value)
	case "to":
		req.To, err = decodeTime(m.field, m.value)
	case "finished_from":
		req.FinishedFrom, err = decodeTime(m.field, m.value)
	case "finished_to":
		req.FinishedTo, err = decodeTime(m.field, m.value)
	case "missed":
		req.Missed, err = decodeBool(m.field, m.value)
	case "rate":
		req.Rate, err = decodeNumber(m.field, m.value, minReplayRate, maxReplayRate)
	case "dry_run":
		req.DryRun, err = decodeBool(m.field, m.value)
	}
	return err
}

// replay starts a replay, or counts for one.
func (x *exchange) replay(req webhook.ReplayRequest) error {
	if err := checkPeriods(req.From, req.To, req.FinishedFrom, req.FinishedTo); err != nil {
		return err
	}
	if req.Missed {
		for name, set := range map[string]bool{
			"states": len(req.States) > 0, "finished_from": !req.FinishedFrom.IsZero(), "finished_to": !req.FinishedTo.IsZero(),
		} {
			if set {
				return invalidField(name, "does not apply beside missed", "leave it out, and use from and to")
			}
		}
	}
	r, err := x.scope().Replay(x.r.Context(), req)
	switch {
	case errors.Is(err, webhook.ErrConflict):
		return refuse(http.StatusConflict, codeEndpointDisabled, "", "The endpoint is disabled.", "Set is_active of the endpoint to true first.")
	case err != nil:
		return replayLimit(err)
	case req.DryRun:
		return x.answer(http.StatusOK, replayOf(&r))
	}
	x.w.Header().Set("Location", x.root()+"/replays/"+url.PathEscape(r.ID))
	return x.answer(http.StatusAccepted, replayOf(&r))
}

// root returns the client's path of the API: the request's without the route's segments.
func (x *exchange) root() string {
	p := location(x.r)
	for range strings.Count(x.route.path, "/") {
		p = p[:max(strings.LastIndexByte(p, '/'), 0)]
	}
	return p
}

func (x *exchange) listReplays() error {
	p, err := x.paging()
	if err != nil {
		return err
	}
	page, err := x.scope().Replays(x.r.Context(), p.query())
	if err != nil {
		return err
	}
	views := make([]replayJSON, len(page.Items))
	for i := range page.Items {
		views[i] = replayOf(&page.Items[i])
	}
	return x.answer(http.StatusOK, list[replayJSON]{views, optionalOf(page.Next)})
}

func (x *exchange) getReplay() error {
	page, err := x.scope().Replays(x.r.Context(), webhook.Query{ReplayID: x.r.PathValue("replay_id"), Limit: 1})
	switch {
	case err != nil:
		return err
	case len(page.Items) == 0:
		return notFound(x.route.path)
	}
	return x.answer(http.StatusOK, replayOf(&page.Items[0]))
}

func (x *exchange) cancelReplay() error {
	r, err := x.scope().CancelReplay(x.r.Context(), x.r.PathValue("replay_id"))
	switch {
	case errors.Is(err, webhook.ErrConflict):
		return refuse(http.StatusConflict, codeFinished, "", "The replay has finished.",
			"You cannot take it back. Cancel deliveries that are still pending one by one, or with /deliveries/cancel.")
	case err != nil:
		return err
	}
	return x.answer(http.StatusOK, replayOf(&r))
}
