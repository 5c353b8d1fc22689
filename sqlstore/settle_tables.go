package sqlstore

// settleTables are the rows that a settler writes.
type settleTables struct {
	dequeued, requeued       *table // of the queue
	deliveries, logs, bodies *table // to insert
}

// newSettleTables returns tables for n items.
func newSettleTables(n int) *settleTables {
	return &settleTables{
		dequeued: newTable(n), requeued: newTable(n), deliveries: newTable(n), logs: newTable(n), bodies: newTable(n),
	}
}

// log adds an item's attempt.
func (t *settleTables) log(item *settleItem, late, fanout bool) {
	t.logs.Add(attemptCells(item.key(), item.ref, item.LeaseNo, item.Attempt, late, fanout)...)
	if body := item.Attempt.ResponseBody; len(body) > 0 {
		t.bodies.Add(bodyCells(item.key(), item.LeaseNo, body)...)
	}
}

// settle adds an item's delivery. due is for a delivery that stays pending.
func (t *settleTables) settle(q *queueRow, item *settleItem, due, now int64) {
	if !final(item.State) {
		q.reason = string(item.Reason)
		q.waited += max(due-micros(item.DueAt), 0)
		q.place(due, now)
		t.requeued.Add(q.requeueCells()...)
		return
	}
	f := q.finish(item.State, item.Reason, now)
	t.dequeued.Add(q.rowKey.cells()...)
	t.deliveries.Add(f.cells()...)
}

func (t *settleTables) write(on *tx) error {
	return on.ExecEach(
		batch(deleteQueue, t.dequeued), batch(requeue, t.requeued), batch(insertDeliveries, t.deliveries),
		batch(insertAttempts, t.logs), batch(insertBodies, t.bodies),
	)
}
