package sqlstore

import (
	"context"
	"errors"

	"github.com/gowebhook/webhook"
)

// errNotPlain reports that publishNew cannot take a request.
var errNotPlain = errors.New("not all of it is new events with deliveries to be made")

// publishNew stores events whose ids were just made, and their deliveries, in a single
// statement. Nearly every Emit makes such a request, and a transaction of several statements
// takes several times as long.
//
// It runs at the isolation level of the session, which saves a round trip to set another. The
// statement reads nothing, so its effect is the same at each level. At SERIALIZABLE the server
// may refuse it because of other transactions. Then it is run again.
func (s *Store) publishNew(ctx context.Context, req *webhook.PublishRequest) ([]webhook.Published, error) {
	rows, events := newEventRows(req), newTable(len(req.Events))
	results := make([]webhook.Published, len(req.Events))
	for i := range req.Events {
		r := &req.Events[i]
		events.Add(eventCells(r, contentHash(r))...)
		results[i].Deliveries = rows.add(r)
	}
	if rows.queue.Len() == 0 || rows.outbox.Len()+rows.deliveries.Len() > 0 || !events.Fits() || !rows.queue.Fits() {
		return nil, errNotPlain
	}
	err := s.write(ctx, txOptions{OneStatement: true, Once: true}, func(t *tx) error {
		return t.ExecTwo(publishNew, events, rows.queue)
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}
