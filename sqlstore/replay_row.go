package sqlstore

import (
	"database/sql"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/replay"
)

// A replayRow is a row of the table replays.
type replayRow struct {
	webhook.Replay
	uid   uuid.UUID // its ID
	key   string    // of its request
	dueAt int64     // while it is unfinished
	at    replayPosition
}

// A replayPosition is the place where the next step goes on.
type replayPosition struct {
	endpoint webhook.EndpointKey
	state    webhook.DeliveryState // of the deliveries; empty for events
	event    uuid.UUID             // the first that has not had its turn
}

// The states of replays, as they are stored.
const (
	runningReplay  = "running"
	finishedReplay = "finished"
	canceledReplay = "canceled"
)

func newReplayRow(r *webhook.Replay) replayRow {
	row := replayRow{Replay: *r, key: r.Key, dueAt: micros(r.CreatedAt)}
	row.Key = ""
	row.uid, _ = replay.ID(r.ID)
	return row
}

func (r *replayRow) state() string {
	switch {
	case replay.IsRunning(&r.Replay):
		return runningReplay
	case replay.IsCanceled(&r.Replay):
		return canceledReplay
	}
	return finishedReplay
}

// requestKey returns the value of the column request_key. A replay that has ended makes
// room for another one with the same request.
func (r *replayRow) requestKey() []byte {
	if replay.IsRunning(&r.Replay) {
		return append([]byte{'r'}, r.key...)
	}
	return append([]byte{'e'}, r.uid[:]...)
}

// due returns the value of the column due_at.
func (r *replayRow) due() int64 {
	if replay.IsRunning(&r.Replay) {
		return r.dueAt
	}
	return micros(r.FinishedAt)
}

// cells returns the cells of replayFields.
func (r *replayRow) cells() []cell {
	return []cell{
		uid(r.uid), text(r.Tenant), bin(r.requestKey()), text(formatRequest(&r.Request)), flag(r.Cancels), text(r.state()), text(r.Reason),
		num(r.Matched), flag(r.Exact), num(r.Changed), num(r.Skipped), at(r.CreatedAt), at(r.FinishedAt), num(r.due()),
		text(r.at.endpoint.Tenant), text(r.at.endpoint.ID), text(r.at.state), uid(r.at.event),
	}
}

// updateCells returns the cells of updateReplay.
func (r *replayRow) updateCells() []cell {
	return []cell{
		uid(r.uid), bin(r.requestKey()), text(r.state()), text(r.Reason), num(r.Changed), num(r.Skipped), at(r.FinishedAt), num(r.due()),
		text(r.at.endpoint.Tenant), text(r.at.endpoint.ID), text(r.at.state), uid(r.at.event),
	}
}

// scan reads replayFields.
func (r *replayRow) scan(rows *sql.Rows) error {
	var (
		key               []byte
		request, state    string
		created, finished int64
	)
	if err := rows.Scan((*id)(&r.uid), &r.Tenant, &key, &request, &r.Cancels, &state, &r.Reason, &r.Matched, &r.Exact, &r.Changed,
		&r.Skipped, &created, &finished, &r.dueAt, &r.at.endpoint.Tenant, &r.at.endpoint.ID, &r.at.state, (*id)(&r.at.event)); err != nil {
		return err
	}
	r.ID, r.AllTenants = r.uid.String(), r.Tenant == ""
	if len(key) > 0 {
		r.key = string(key[1:])
	}
	r.CreatedAt, r.FinishedAt = always(created), fromMicros(finished)
	var err error
	r.Request, err = parseRequest(request)
	return err
}

// requestRow is a ReplayRequest as it is stored.
type requestRow struct {
	Endpoint     string                  `json:"endpoint,omitempty"`
	Event        string                  `json:"event,omitempty"`
	From         int64                   `json:"from,omitempty"`
	To           int64                   `json:"to,omitempty"`
	FinishedFrom int64                   `json:"finished_from,omitempty"`
	FinishedTo   int64                   `json:"finished_to,omitempty"`
	Types        []string                `json:"types,omitempty"`
	States       []webhook.DeliveryState `json:"states,omitempty"`
	Missed       bool                    `json:"missed,omitempty"`
	Rate         float64                 `json:"rate"`
}

func formatRequest(r *webhook.ReplayRequest) string {
	return toJSON(requestRow{
		Endpoint: r.Endpoint, Event: r.Event, From: micros(r.From), To: micros(r.To), FinishedFrom: micros(r.FinishedFrom),
		FinishedTo: micros(r.FinishedTo), Types: r.Types, States: r.States, Missed: r.Missed, Rate: r.Rate,
	})
}

func parseRequest(s string) (webhook.ReplayRequest, error) {
	var r requestRow
	err := json.Unmarshal([]byte(s), &r)
	return webhook.ReplayRequest{
		Endpoint: r.Endpoint, Event: r.Event, From: fromMicros(r.From), To: fromMicros(r.To), FinishedFrom: fromMicros(r.FinishedFrom),
		FinishedTo: fromMicros(r.FinishedTo), Types: r.Types, States: r.States, Missed: r.Missed, Rate: r.Rate,
	}, err
}
