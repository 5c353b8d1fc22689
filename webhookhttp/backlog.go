package webhookhttp

import (
	"net/http"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
)

// A backlogJSON has the counts of the unfinished deliveries of an endpoint.
type backlogJSON struct {
	Pending  int        `json:"pending"`
	Exact    bool       `json:"exact"`
	Due      int        `json:"due"`
	InFlight int        `json:"in_flight"`
	Waiting  int        `json:"waiting"`
	Held     int        `json:"held"`
	OldestAt *timestamp `json:"oldest_at"`
	NextAt   *timestamp `json:"next_at"`
}

func backlogOf(s *webhook.Stats) backlogJSON {
	return backlogJSON{
		Pending: s.Pending, Exact: s.Pending < contract.MaxBacklog, Due: s.Due, InFlight: s.InFlight, Waiting: s.Waiting, Held: s.Held,
		OldestAt: optionalTime(s.OldestAt), NextAt: optionalTime(s.NextAt),
	}
}

func (x *exchange) getBacklog() error {
	id := x.r.PathValue("webhook_id")
	if !isID(id) {
		return notFound(x.route.path)
	}
	stats, err := x.scope().Backlog(x.r.Context(), id)
	if err != nil {
		return err
	}
	return x.answer(http.StatusOK, backlogOf(&stats))
}
