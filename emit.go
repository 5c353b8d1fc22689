package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// storeTimeout bounds every call to the Store that no caller's context bounds.
	storeTimeout = 10 * time.Second

	// slowBatch is the age of a call to the Store at which another call is made beside it, even
	// if that one is not full.
	slowBatch = 50 * time.Millisecond

	// gatherEvents and gatherResults bound how long calls gather after a group of at least
	// crowd calls. A group alone costs PostgreSQL as much as 25 events or 60 results. So when
	// there are many calls, it pays to wait for the next ones. Nobody waits for results.
	gatherEvents  = 3 * time.Millisecond
	gatherResults = 5 * time.Millisecond
	crowd         = 8

	// maxFanout bounds the endpoints of an event for which its deliveries are made at once. The
	// Store expands an event with more.
	maxFanout = 1000

	// maxRows bounds the deliveries of one grouped transaction, and maxBatchRows those of one
	// EmitBatch.
	maxRows      = 500
	maxBatchRows = 5000

	// maxEvents bounds the events of one EmitBatch or EmitTx.
	maxEvents = 1000
)

// Emit stores an event and one delivery for each endpoint that is subscribed to it, and
// returns when they are durable. It works without Run. An event that no endpoint receives is
// not stored, unless Config.KeepUnmatched is set.
//
// Concurrent calls are grouped into one transaction. After a group of eight or more calls, the
// next group waits until as many calls have come, but at most 3 milliseconds.
//
// If ctx ends while another caller commits the group, Emit returns ctx.Err() and the outcome
// is unknown. To be sure, emit again with Receipt.EventID as the id. A caller that commits for
// the group returns when the Store has answered, even if ctx has ended. The Store gets 10
// seconds for that.
//
// Events without an Event.ID are not grouped with events that have one. A transaction
// elsewhere, for example an open one of EmitTx, may hold an id. Emit then tries again for
// about 2 seconds, or until ctx ends. If the id is still held, Emit returns the Store's error,
// and the event is not stored. Emits of other ids do not wait.
//
// Errors:
//
//   - A [*FieldError] for input that is refused. The event is not stored.
//   - [ErrConflict] for an id that was used with other content. This event is not stored.
//   - [ErrFull] if a bounded Store has no room. The event is not stored.
//   - An error that says that an open transaction holds the id. The event is not stored.
//   - An error of the Store's clock, if its time is not known yet. Receipt.EventID is then
//     Event.ID, or empty, and the event is not stored.
//   - Any other error of the Store. The outcome is unknown.
func (d *Dispatcher) Emit(ctx context.Context, e Event) (receipt Receipt, err error) {
	if d.config.Observer.BeginEmit != nil {
		var end func([]Receipt, error)
		events := []Event{e}
		ctx, end = d.beginEmit(ctx, events)
		e.Trace = events[0].Trace
		defer func() { end([]Receipt{receipt}, err) }()
	}
	defer addOperation("emit", &err)
	if err := d.time.keepUp(ctx); err != nil {
		return Receipt{EventID: e.ID}, err
	}
	record, err := d.record(&e)
	if err != nil {
		return Receipt{EventID: e.ID}, err
	}
	done, err := d.publishGrouped(ctx, record)
	done.receipt.EventID = record.ID
	if err == nil {
		err = eventError(record, done.held, done.err)
	}
	return done.receipt, err
}

// EmitBatch emits up to 1,000 events in one transaction: all of them or none. The receipts are
// in the order of the events. The errors are those of Emit, and the outcome is unknown in the
// same cases. Then repeat the batch with the ids of the receipts.
//
// If an error comes before the events have ids, there are no receipts (nil or empty), and
// nothing was stored.
//
// A transaction elsewhere may hold the Event.ID of one of them. EmitBatch then waits for it as
// Emit does. Meanwhile it delays no other call, not even one that emits another of the batch's
// ids. The error names the event.
func (d *Dispatcher) EmitBatch(ctx context.Context, events []Event) (receipts []Receipt, err error) {
	if d.config.Observer.BeginEmit != nil {
		var end func([]Receipt, error)
		events = slices.Clone(events)
		ctx, end = d.beginEmit(ctx, events)
		defer func() { end(receipts, err) }()
	}
	defer addOperation("emit batch", &err)
	if err := d.time.keepUp(ctx); err != nil {
		return nil, err
	}
	records, receipts, err := d.recordAll(events)
	if err != nil || len(records) == 0 {
		return receipts, err
	}
	var results []emitted
	err = whileHeld(ctx, heldPatience, func() (held bool, err error) {
		results, err = d.publishMatched(ctx, records, true)
		return slices.ContainsFunc(results, func(e emitted) bool { return e.held }), err
	})
	if err != nil {
		return receipts, err
	}
	for i := range results {
		if results[i].err != nil {
			return receipts, fmt.Errorf("events[%d]: %w", i, eventError(records[i], results[i].held, results[i].err))
		}
	}
	for i := range results {
		results[i].receipt.EventID = receipts[i].EventID
		receipts[i] = results[i].receipt
	}
	return receipts, nil
}

// EmitTx stores up to 1,000 events through a transaction of the caller's. They exist if and
// only if it commits. tx comes from the store, for example store.Tx(x). A Store itself also
// serves, with a transaction of its own.
//
// EmitTx only inserts, so it neither reads nor locks rows that others use. The receivers of
// the events are decided after the commit, within Config.PollInterval, or at once after
// [Dispatcher.Wake]. Receipt.Deliveries is therefore -1.
//
// If the Store is a [Clock], a call reads it when there is no reading or the last one is old.
// It reads through tx if tx is a Clock too, as nearly every tx of sqlstore is. With another tx
// the first call needs a second connection of the Store. A pool of one connection has none, so
// call Run or Emit before you begin the transaction.
//
// Input that is refused, for example an Event.ID with a ".", is an error before anything is
// written. The transaction can go on.
//
// A duplicate id does not fail the transaction. With the same content, its receipt says
// Duplicate. With other content, the error is ErrConflict and none of the events was written.
// The transaction then holds the event with that id until it ends.
//
// After any other error roll back: the transaction may hold a part of the events.
//
// The receipts are in the order of the events. If an error comes before the events have ids,
// there are no receipts (nil or empty), and nothing was written. With a later error they have
// the ids alone.
func (d *Dispatcher) EmitTx(ctx context.Context, tx Publisher, events ...Event) (receipts []Receipt, err error) {
	if d.config.Observer.BeginEmit != nil {
		var end func([]Receipt, error)
		events = slices.Clone(events)
		ctx, end = d.beginEmit(ctx, events)
		defer func() { end(receipts, err) }()
	}
	defer addOperation("emit in transaction", &err)
	if tx == nil {
		return nil, &FieldError{"tx", "is nil", "pass store.Tx(tx), or the publisher that your store makes of the transaction"}
	}
	if err := d.time.keepUpIn(ctx, tx); err != nil {
		return nil, err
	}
	records, receipts, err := d.recordAll(events)
	if err != nil || len(records) == 0 {
		return receipts, err
	}
	req := PublishRequest{Now: d.now(), Atomic: true, Events: make([]EventRecord, len(records))}
	for i, r := range records {
		req.Events[i] = *r
	}
	publisher := d.observedPublisher(tx)
	var results []Published
	err = whileHeld(ctx, heldPatience, func() (held bool, err error) {
		results, err = publisher.Publish(ctx, req)
		return anyHeld(results), err
	})
	if err = publishError(results, records, err); err != nil {
		return receipts, err
	}
	for i, p := range results {
		receipts[i].Duplicate = p.Duplicate
		if !p.Duplicate {
			receipts[i].Deliveries = -1
		}
	}
	return receipts, nil
}

// publishError returns the error of an atomic Publish.
func publishError(results []Published, records []*EventRecord, err error) error {
	if err != nil {
		return err
	}
	if len(results) != len(records) {
		return errWrongResults
	}
	for i, r := range records {
		if results[i].Err != nil {
			return fmt.Errorf("events[%d]: %w", i, eventError(r, results[i].Held, results[i].Err))
		}
	}
	return nil
}

// eventError adds the event's id to its error.
func eventError(r *EventRecord, held bool, err error) error {
	switch {
	case held:
		return fmt.Errorf("event id %q is held by an open transaction: %w", r.ID, err)
	case errors.Is(err, ErrConflict):
		return fmt.Errorf("event id %q was used with other content: %w", r.ID, err)
	}
	return err
}

var errWrongResults = errors.New("the store returned a wrong number of results")

// recordAll is record for a batch.
func (d *Dispatcher) recordAll(events []Event) ([]*EventRecord, []Receipt, error) {
	if len(events) > maxEvents {
		return nil, nil, &FieldError{"events", fmt.Sprintf("are %d, more than %d", len(events), maxEvents), "emit them in parts"}
	}
	records, receipts := make([]*EventRecord, len(events)), make([]Receipt, len(events))
	for i := range events {
		record, err := d.record(&events[i])
		if err != nil {
			return nil, receipts[:0], fmt.Errorf("events[%d]: %w", i, err)
		}
		records[i], receipts[i].EventID = record, record.ID
	}
	return records, receipts, nil
}

// record checks an event and makes the record that a Store keeps of it.
func (d *Dispatcher) record(e *Event) (*EventRecord, error) {
	if err := checkTenant("Event.Tenant", e.Tenant); err != nil {
		return nil, err
	}
	if err := checkType("Event.Type", e.Type); err != nil {
		return nil, err
	}
	if err := checkNotOperational("Event.Type", e.Type); err != nil {
		return nil, err
	}
	if _, known := d.config.EventTypes[e.Type]; !known && len(d.config.EventTypes) > 0 {
		return nil, &FieldError{
			"Event.Type", fmt.Sprintf("is not in the catalogue: %q", e.Type),
			"add it to Config.EventTypes, or use " + listTypes(d.config.EventTypes),
		}
	}
	return d.recordUnlisted(e)
}

// recordUnlisted is record for an event with a type that need not be in the catalogue.
func (d *Dispatcher) recordUnlisted(e *Event) (*EventRecord, error) {
	if e.ID != "" {
		if err := checkID("Event.ID", e.ID); err != nil {
			return nil, err
		}
	}
	if err := checkText("Event.Channel", e.Channel, maxName); err != nil {
		return nil, err
	}
	if err := checkTime("Event.Time", e.Time); err != nil {
		return nil, err
	}
	if err := checkTime("Event.NotBefore", e.NotBefore); err != nil {
		return nil, err
	}
	header, err := checkHeaders("Event.Header", e.Header)
	if err != nil {
		return nil, err
	}
	if err := checkText("Event.Trace", e.Trace, maxTrace); err != nil {
		return nil, err
	}
	data, err := encodeData(e.Data, d.config.MaxEventBytes)
	if err != nil {
		return nil, err
	}
	now := d.now()
	r := &EventRecord{
		UID: d.uids.Next(now), Tenant: e.Tenant, ID: e.ID, Type: e.Type, Channel: e.Channel, Data: data, Header: withTrace(header, e.Trace),
		Time: micros(e.Time), NotBefore: micros(e.NotBefore), CreatedAt: now, Keep: d.config.KeepUnmatched,
	}
	if r.ID == "" {
		r.ID, r.NewID = r.UID.String(), true
	}
	if r.Time.IsZero() {
		r.Time = now
	}
	return r, nil
}

// emitted is the result of one event.
type emitted struct {
	receipt Receipt
	held    bool // err says that another transaction holds the id
	err     error
}

// publish commits a group of Emits.
func (d *Dispatcher) publish(records []*EventRecord) ([]emitted, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return d.publishMatched(ctx, records, false)
}

// publishMatched finds the receivers of the records and publishes the records with their
// deliveries. It hands deliveries over to their lanes as far as there is room.
func (d *Dispatcher) publishMatched(ctx context.Context, records []*EventRecord, atomic bool) ([]emitted, error) {
	asOf := d.time.uptime()
	matched, err := d.match(ctx, records)
	if err != nil {
		return nil, err
	}
	results := make([]emitted, len(records))
	p := d.newPublication(asOf, atomic)
	defer p.end()
	for i, r := range records {
		statuses := matched[i]
		if len(statuses) == 1 && statuses[0].State == EndpointDisabled { // it can have the event when it is enabled again
			statuses, r.Keep = nil, true
		}
		if len(statuses) == 0 && !r.Keep {
			continue
		}
		if !atomic && p.rows > 0 && p.rows+len(statuses) > maxRows {
			p.publish(ctx)
		}
		p.add(&results[i], r, statuses)
	}
	p.publish(ctx)
	if atomic && p.err != nil {
		return nil, p.err // an error of the whole batch
	}
	return results, nil
}

// match returns the receivers of each record. It asks once for each kind of event.
func (d *Dispatcher) match(ctx context.Context, records []*EventRecord) ([][]EndpointStatus, error) {
	type kind struct{ tenant, typ, channel string }
	reqs := make([]MatchRequest, 0, len(records))
	which := make([]int, len(records))
	kinds := make(map[kind]int, len(records))
	for i, r := range records {
		k := kind{r.Tenant, r.Type, r.Channel}
		n, asked := kinds[k]
		if !asked {
			n = len(reqs)
			kinds[k] = n
			reqs = append(reqs, MatchRequest{
				Tenant: r.Tenant, Channel: r.Channel, Patterns: r.Patterns(), Limit: maxFanout + 1, Dormant: !r.Keep,
			})
		}
		which[i] = n
	}
	answers, err := d.store.Match(ctx, reqs)
	if err != nil {
		return nil, err
	}
	if len(answers) != len(reqs) {
		return nil, errWrongResults
	}
	matched := make([][]EndpointStatus, len(records))
	for i, n := range which {
		matched[i] = answers[n]
	}
	return matched, nil
}
