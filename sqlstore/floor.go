package sqlstore

import (
	"context"
	"time"
)

// A floor is the time from which claims look for due deliveries and outbox rows. Below it there
// are none, as far as this process knows.
//
// A transaction that stays open elsewhere, for example a backup, keeps dead index entries
// alive. These are entries of deliveries that have left lane zero, and of rows that have left
// the outbox. They come before the waiting ones, and a scan from the beginning reads each of
// them: 300,000 take half a second.
//
// Every delivery enters lane zero with due_at after the present time of the process that writes
// it. Publish, Settle, Retry and the expansion of the outbox put a delivery that is due at once
// into its lane instead. A lease ends in the future. An outbox row is due when its event is
// made, or later.
//
// Example: a claim at 12:00:00 finds that nothing waits any more. Every later delivery is then
// due after 12:00:00, less floorSlack. The slack allows for clocks that differ and for
// transactions that commit late. So claims look from 11:58:00 on.
//
// A row that is due but locked by another transaction still waits, so the floor stays below it
// until it is taken. A row can get below the floor if an application's transaction with EmitTx
// stays open for longer than floorSlack. A full look each minute finds such rows.
//
// Lanes have no floor. A dead entry there costs each claim about one page read. After 84,000
// deliveries went through lanes beside an open transaction, an empty claim read 77,000 pages in
// 28 ms. Deliveries that Publish hands to its own process go through no lane.
type floor struct {
	waiting, outbox int64 // microseconds; 0 before the first look
	looked          int64 // when the last full look began
}

// A lookFrom is the start of a look. The zero value is a full look.
type lookFrom struct{ waiting, outbox int64 }

const (
	floorSlack = int64(2 * time.Minute / time.Microsecond)
	fullLook   = int64(time.Minute / time.Microsecond)

	// fullLookTimeout bounds a full look of a process that already has a floor.
	// firstLookTimeout bounds the first look. A claim may take ten seconds.
	fullLookTimeout  = 2 * time.Second
	firstLookTimeout = 5 * time.Second
)

// begin returns the start of a look at now.
func (f *floor) begin(now int64) lookFrom {
	if since := now - f.looked; f.waiting == 0 || since >= fullLook || since <= -fullLook {
		f.looked = now
		return lookFrom{}
	}
	return f.known(now)
}

// known returns the floor for a look at now. now may be earlier than at the look before.
func (f *floor) known(now int64) lookFrom {
	return lookFrom{min(f.waiting, now-floorSlack), min(f.outbox, now-floorSlack)}
}

// raise raises the floor for the kinds of rows that had none due at now.
func (f *floor) raise(d *dueWork, now int64) {
	if !d.waiting {
		f.waiting = max(now-floorSlack, 1)
	}
	if !d.outbox {
		f.outbox = max(now-floorSlack, 1)
	}
}

// due finds out how much work there is.
func (s *Store) due(ctx context.Context, now int64) (d dueWork, err error) {
	s.mu.Lock()
	known := s.floor
	from := s.floor.begin(now)
	s.mu.Unlock()
	if from == (lookFrom{}) {
		d, err = s.fullLook(ctx, now, &known)
	} else {
		d, err = s.look(ctx, now, from)
	}
	if err == nil {
		s.mu.Lock()
		s.floor.raise(&d, now)
		s.mu.Unlock()
	}
	return d, err
}

// fullLook looks from the beginning. Behind a very old snapshot, a full look takes longer than
// a claim may. Then fullLook stops it and looks from the floor instead, or from floorSlack ago
// if the process has no floor yet.
func (s *Store) fullLook(ctx context.Context, now int64, known *floor) (d dueWork, err error) {
	most := fullLookTimeout
	if known.waiting == 0 {
		most = firstLookTimeout
		known.waiting, known.outbox = max(now-floorSlack, 1), max(now-floorSlack, 1)
	}
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	d, err = s.look(bounded, now, lookFrom{})
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		return s.look(ctx, now, known.known(now))
	}
	return d, err
}

func (s *Store) look(ctx context.Context, now int64, from lookFrom) (d dueWork, err error) {
	err = s.read(ctx, func(t *tx) error {
		d, err = t.due(now, from)
		return err
	})
	return d, err
}
