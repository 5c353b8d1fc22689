package sqlstore

import (
	"slices"
	"strings"

	"github.com/gowebhook/webhook"
)

// eventRows are the rows that are inserted together with events.
type eventRows struct {
	now, until               int64
	outbox, queue            *table
	deliveries, logs, bodies *table // of test sends
}

func newEventRows(req *webhook.PublishRequest) *eventRows {
	return &eventRows{
		now: micros(req.Now), until: micros(req.LeaseUntil), outbox: newTable(0), queue: newTable(len(req.Events)),
		deliveries: newTable(0), logs: newTable(0), bodies: newTable(0),
	}
}

// eventCells returns the cells of an event. hash is the hash of its content.
func eventCells(r *webhook.EventRecord, hash []byte) []cell {
	fanout := r.Deliveries == nil || len(r.Deliveries) > 1
	return []cell{
		uid(r.UID), text(r.Tenant), text(r.ID), text(r.Type), text(r.Channel), text(formatMap(r.Header)), at(r.Time),
		at(r.NotBefore), at(r.CreatedAt), flag(r.Keep), flag(fanout), flag(r.Test), bin(hash), bin(r.Data),
	}
}

// outboxCells returns the cells of an event's outbox row. The row is due when the event is
// made, or later, so a scan of the outbox may begin at a floor.
func outboxCells(r *webhook.EventRecord) []cell {
	return []cell{uid(r.UID), num(max(micros(r.NotBefore), micros(r.CreatedAt)))}
}

// add makes the rows of one event, and returns the number of its deliveries.
func (e *eventRows) add(r *webhook.EventRecord) int {
	if r.Deliveries == nil {
		e.outbox.Add(outboxCells(r)...)
		return 0
	}
	rows := inOrder(r.Deliveries)
	for n := range rows {
		row := &rows[n]
		q := queueRow{
			rowKey: rowKey{r.UID, row.EndpointID}, ref: refOf(webhook.EndpointKey{Tenant: r.Tenant, ID: row.EndpointID}),
			version: row.Version, size: int64(len(r.Data)), fanout: len(rows) > 1,
		}
		switch {
		case final(row.State):
			e.finished(&q, row)
			continue
		case row.Leased:
			q.leaseNo, q.leasedUntil, q.since = 1, e.until+leaseGrace, e.now
			q.dueAt = q.leasedUntil
		default:
			q.since = micros(row.DueAt)
			q.place(q.since, e.now)
		}
		e.queue.Add(q.cells()...)
	}
	return len(rows)
}

// insert inserts the rows.
func (e *eventRows) insert(t *tx) error {
	return t.ExecEach(
		batch(insertOutbox, e.outbox), batch(insertQueue, e.queue), batch(insertDeliveries, e.deliveries),
		batch(insertAttempts, e.logs), batch(insertBodies, e.bodies),
	)
}

// finished makes the rows of a finished delivery.
func (e *eventRows) finished(q *queueRow, row *webhook.NewDelivery) {
	q.leaseNo, q.settledNo = 1, 1
	if a := row.Attempt; a != nil {
		q.attempts, q.last = 1, lastOf(a)
		e.logs.Add(attemptCells(q.rowKey, q.ref, 1, a, false, q.fanout)...)
		if len(a.ResponseBody) > 0 {
			e.bodies.Add(bodyCells(q.rowKey, 1, a.ResponseBody)...)
		}
	}
	f := q.finish(row.State, row.Reason, e.now)
	e.deliveries.Add(f.cells()...)
}

// inOrder returns rows sorted by endpoint id, without repeated endpoints. Nearly always they
// are in this form already.
func inOrder(rows []webhook.NewDelivery) []webhook.NewDelivery {
	byID := func(a, b webhook.NewDelivery) int { return strings.Compare(a.EndpointID, b.EndpointID) }
	if slices.IsSortedFunc(rows, byID) {
		sorted := true
		for i := 1; i < len(rows); i++ {
			sorted = sorted && rows[i-1].EndpointID != rows[i].EndpointID
		}
		if sorted {
			return rows
		}
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, byID)
	return slices.CompactFunc(rows, func(a, b webhook.NewDelivery) bool { return a.EndpointID == b.EndpointID })
}
